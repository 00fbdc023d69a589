import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { casesOf } from '../src/case.js'
import { checkCase } from '../src/run-case.js'

/** Cases that the reference engine has run: of each rule, and of random programs. */
const cases = [
  'engine-cases.json',
  'generated-cases.json',
  'random-programs.json',
  'random-statistics.json',
].flatMap((name) => casesOf(readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8')))

test.each(cases.map((each) => [each.name, each] as const))(
  'agrees with the reference engine: %s',
  (_name, each) => {
    expect(checkCase(each)).toBeUndefined()
  },
)

test('a case that does not hold is told, with what ticked', () => {
  const [first] = cases
  if (first === undefined) throw new Error('the file has no case')
  expect(checkCase({ ...first, expected: { n: [[10, 2]] } })).toMatch(/^n ticked \[\[10,1\]/)
})
