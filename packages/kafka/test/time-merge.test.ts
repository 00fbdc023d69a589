import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TimeMerge } from '../src/time-merge.js'

const drain = (merge: TimeMerge<string>): (readonly [number, string])[] => {
  const rows: (readonly [number, string])[] = []
  for (let row = merge.take(); row !== undefined; row = merge.take()) {
    rows.push([row.time, row.value])
  }
  return rows
}

test('a row waits until every lane has come as far, less the lateness', () => {
  const merge = new TimeMerge<string>(['a', 'b'], 2)
  merge.add('a', 1, 'a1')
  merge.add('a', 5, 'a5')
  expect(drain(merge)).toEqual([])
  merge.add('b', 3, 'b3')
  expect(drain(merge)).toEqual([[1, 'a1']])
  merge.add('b', 2, 'b2')
  merge.add('b', 7, 'b7')
  expect(drain(merge)).toEqual([
    [2, 'b2'],
    [3, 'b3'],
  ])
  expect(merge.watermark).toBe(3)
  expect(merge.late).toBe(0)
})

test('a late row is counted, and comes out at the time that was reached', () => {
  const merge = new TimeMerge<string>(['a'], 0)
  merge.add('a', 5, 'a5')
  expect(drain(merge)).toEqual([[5, 'a5']])
  merge.add('a', 4, 'a4')
  expect(drain(merge)).toEqual([[5, 'a4']])
  expect(merge.late).toBe(1)
})

test('nobody waits for a lane on which nothing comes; what is left comes out when all have ended', () => {
  const merge = new TimeMerge<string>(['a', 'b'], 10)
  merge.add('a', 5, 'a5')
  merge.idle('b')
  expect(drain(merge)).toEqual([])
  merge.idle('a')
  expect(drain(merge)).toEqual([[5, 'a5']])
})

test('rows within the lateness come out in the order of time, each once, none late', () => {
  const LATENESS = 10
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          lane: fc.constantFrom('a', 'b', 'c'),
          step: fc.nat(5),
          back: fc.nat(LATENESS),
        }),
      ),
      (steps) => {
        const merge = new TimeMerge<string>(['a', 'b', 'c'], LATENESS)
        const clock: Record<string, number> = { a: 100, b: 100, c: 100 }
        const added: number[] = []
        const out: number[] = []
        for (const [i, { lane, step, back }] of steps.entries()) {
          clock[lane] = (clock[lane] as number) + step
          const time = Math.max(100, (clock[lane] as number) - back)
          added.push(time)
          merge.add(lane, time, String(i))
          out.push(...drain(merge).map(([at]) => at))
        }
        for (const lane of ['a', 'b', 'c']) merge.idle(lane)
        out.push(...drain(merge).map(([at]) => at))
        expect(out).toEqual([...added].sort((a, b) => a - b))
        expect(merge.late).toBe(0)
        expect(merge.size).toBe(0)
      },
    ),
  )
})
