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
  // On a something of the time 3 may come, and a goes before b.
  expect(drain(merge)).toEqual([[2, 'b2']])
  expect(merge.watermark).toBe(3)
  merge.add('a', 6, 'a6')
  expect(drain(merge)).toEqual([[3, 'b3']])
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
      },
    ),
  )
})

test('what comes out, and when, does not depend on which lane came first; of one time, lanes go in their order', () => {
  const row = fc.record({ lane: fc.constantFrom('a', 'b', 'c'), time: fc.option(fc.nat(6)) })
  const interleavings = fc.array(row, { maxLength: 30 }).chain((rows) =>
    fc.record({
      rows: fc.constant(rows),
      lateness: fc.nat(3),
      picks: fc.array(fc.nat(2), { minLength: rows.length, maxLength: rows.length }),
    }),
  )
  fc.assert(
    fc.property(interleavings, ({ rows, lateness, picks }) => {
      /** The rows of each lane in their order, of different lanes as `next` says. */
      const run = (next: (left: readonly string[], step: number) => string) => {
        const merge = new TimeMerge<string>(['a', 'b', 'c'], lateness)
        const left = new Map(
          ['a', 'b', 'c'].map((lane) => [lane, rows.filter((row) => row.lane === lane)]),
        )
        const out: (readonly [number, string])[] = []
        const end = (lane: string): void => {
          if (left.get(lane)?.length !== 0) return
          left.delete(lane)
          merge.idle(lane)
        }
        for (const lane of ['a', 'b', 'c']) end(lane)
        for (let step = 0; left.size > 0; step++) {
          const lane = next([...left.keys()], step)
          const row = left.get(lane)?.shift() as (typeof rows)[number]
          const name = `${lane}${rows.indexOf(row)}`
          if (row.time === null) merge.addUntimed(lane, 0, name)
          else merge.add(lane, row.time, name)
          end(lane)
          out.push(...drain(merge))
        }
        out.push(...drain(merge))
        return { out, late: merge.late }
      }
      const one = run(([first]) => first as string)
      expect(one.out).toHaveLength(rows.length)
      expect(one.out.map(([time]) => time)).toEqual(
        one.out.map(([time]) => time).sort((a, b) => a - b),
      )
      expect(run((left, step) => left[(picks[step] ?? 0) % left.length] as string)).toEqual(one)
      expect(run((left) => left.at(-1) as string)).toEqual(one)
    }),
  )
})
