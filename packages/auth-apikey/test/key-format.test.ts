import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generateKey, isMistypedKey, keyId } from '../src/index.js'

test('a new key tells its id and is unlike the next', () => {
  const { key, id } = generateKey()
  expect(key).toMatch(/^gw_[0-9A-Za-z]{8}_[0-9A-Za-z]{36}$/)
  expect(keyId(key)).toBe(id)
  expect(isMistypedKey(key)).toBe(false)
  expect(generateKey().key).not.toBe(key)
})

test('any one changed character is noticed', () => {
  const { key } = generateKey()
  fc.assert(
    fc.property(fc.nat({ max: key.length - 1 }), fc.constantFrom(...'09AZaz'), (at, character) => {
      fc.pre(key[at] !== character)
      const mistyped = key.slice(0, at) + character + key.slice(at + 1)
      expect(keyId(mistyped)).toBeUndefined()
      expect(isMistypedKey(mistyped)).toBe(at > 2)
    }),
  )
})

test('a text of another form has no id and is no typo of a key', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.startsWith('gw_'))
      expect(keyId(text)).toBeUndefined()
      expect(isMistypedKey(text)).toBe(false)
    }),
  )
})
