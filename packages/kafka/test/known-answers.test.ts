import { expect, test } from 'vitest'
import { KnownAnswers } from '../src/known-answers.js'

const answer = (text: string) => [{ records: [{ text }], position: { epoch: 'e', offset: 1 } }]

test('answers of sends are known by their ids, the oldest forgotten beyond so many', () => {
  const known = new KnownAnswers({ maxIds: 2, maxBytes: 10_000 })
  known.add('a', answer('1'))
  known.add('b', answer('2'))
  expect(known.find('a')).toEqual(answer('1'))
  known.add('c', answer('3'))
  expect(['a', 'b', 'c'].map((id) => known.find(id))).toEqual([undefined, answer('2'), answer('3')])
})

test('large answers push out as many old ones as take their room', () => {
  const known = new KnownAnswers({ maxIds: 1_000, maxBytes: 1_000 })
  for (let n = 0; n < 5; n++) known.add(`small ${n}`, answer('x'))
  known.add('large', answer('x'.repeat(800)))
  const left = [0, 1, 2, 3, 4].filter((n) => known.find(`small ${n}`) !== undefined)
  expect(left).toEqual([4])
  expect(known.find('large')).toBeDefined()
  known.add('too large', answer('x'.repeat(2_000)))
  expect(known.find('too large')).toBeUndefined()
  known.add('next', answer('x'))
  expect(known.find('next')).toBeDefined()
})
