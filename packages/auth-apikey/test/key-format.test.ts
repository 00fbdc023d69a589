import { fc, test as prop } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { generateKey, isMistypedKey, keyId } from '../src/index.js'

test('a new key tells its id and is unlike the next', () => {
  const { key, id } = generateKey()
  expect(key).toMatch(/^gw_[0-9A-Za-z]{8}_[0-9A-Za-z]{36}$/)
  expect(keyId(key)).toBe(id)
  expect(isMistypedKey(key)).toBe(false)
  expect(generateKey().key).not.toBe(key)
})

prop.prop([fc.nat({ max: 47 }), fc.constantFrom(...'0123456789ABCXYZabcxyz')])(
  'any one changed character is noticed',
  (at, character) => {
    const { key } = generateKey()
    fc.pre(key[at] !== character)
    const mistyped = key.slice(0, at) + character + key.slice(at + 1)
    expect(keyId(mistyped)).toBeUndefined()
    expect(isMistypedKey(mistyped)).toBe(at > 2)
  },
)

prop.prop([fc.string()])('a text of another form has no id and is no typo', (text) => {
  fc.pre(!text.startsWith('gw_'))
  expect(keyId(text)).toBeUndefined()
  expect(isMistypedKey(text)).toBe(false)
})
