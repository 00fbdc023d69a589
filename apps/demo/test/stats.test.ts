import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DelayWindow } from '../src/stats/delay-window.js'
import { RecentDelays } from '../src/stats/recent-delays.js'

const delay = fc.integer({ min: -90, max: 1_600 })

test('recent delays agree with sorting the last ones anew', () => {
  fc.assert(
    fc.property(
      fc.array(delay, { minLength: 1, maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      (delays, capacity) => {
        const recent = new RecentDelays(capacity)
        delays.forEach((value, i) => {
          recent.add(value)
          const last = delays.slice(Math.max(0, i + 1 - capacity), i + 1)
          expect(recent.count).toBe(last.length)
          expect(recent.mean).toBe(sum(last) / last.length)
          expect(recent.quantile(0.95)).toBeCloseTo(quantile(last, 0.95), 9)
          expect(recent.quantile(0)).toBe(Math.min(...last))
          expect(recent.quantile(1)).toBe(Math.max(...last))
        })
      },
    ),
  )
})

test('a window of time agrees with recomputing it from all departures', () => {
  const departures = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), delay), {
    minLength: 1,
    maxLength: 300,
  })
  fc.assert(
    fc.property(departures, fc.integer({ min: 1, max: 200 }), (steps, span) => {
      const window = new DelayWindow(span)
      let now = 0
      const all: [number, number][] = []
      for (const [step, value] of steps) {
        now += step
        all.push([now, value])
        window.add(now, value)
        const inside = all.filter(([time]) => time > now - span).map(([, d]) => d)
        expect(window.count).toBe(inside.length)
        expect(window.mean).toBe(sum(inside) / inside.length)
        expect(window.median).toBe(quantile(inside, 0.5))
      }
    }),
  )
})

test('a window takes more departures than it had room for', () => {
  const window = new DelayWindow(10)
  for (let i = 0; i < 5_000; i++) window.add(1, i % 7)
  expect(window.count).toBe(5_000)
  expect(window.median).toBe(3)
  window.add(12, 100)
  expect([window.count, window.median]).toEqual([1, 100])
})

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0)
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = q * (sorted.length - 1)
  const low = sorted[Math.floor(position)] as number
  return low + (position % 1) * ((sorted[Math.ceil(position)] as number) - low)
}
