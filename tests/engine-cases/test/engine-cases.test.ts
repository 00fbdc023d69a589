import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { casesOf } from '../src/case.js'
import { checkCase } from '../src/run-case.js'

const file = new URL('fixtures/engine-cases.json', import.meta.url)

test.each(casesOf(readFileSync(file, 'utf8')).map((each) => [each.name, each] as const))(
  'agrees with the reference engine: %s',
  (_name, each) => {
    expect(checkCase(each)).toBeUndefined()
  },
)

test('a case that does not hold is told, with what ticked', () => {
  const [first] = casesOf(readFileSync(file, 'utf8'))
  if (first === undefined) throw new Error('the file has no case')
  expect(checkCase({ ...first, expected: { n: [[10, 2]] } })).toMatch(/^n ticked \[\[10,1\]/)
})
