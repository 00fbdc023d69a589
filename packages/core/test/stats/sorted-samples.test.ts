import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SortedSamples } from '../../src/stats/sorted-samples.js'

/** The same with a plain sorted array. */
class Naive {
  values: number[] = []
  add(value: number): void {
    this.values.push(value)
    this.values.sort((a, b) => a - b)
  }
  remove(value: number): void {
    this.values.splice(this.values.indexOf(value), 1)
  }
}

test('agrees with a sorted array under any sequence of additions and removals', () => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: -1000, max: 1000 }),
    fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, fc.nat()), { maxLength: 600, size: 'max' }),
      fc.integer({ min: 1, max: 500 }),
      (steps, most) => {
        const tree = new SortedSamples()
        const naive = new Naive()
        for (const [value, pick] of steps) {
          if (naive.values.length >= most) {
            const gone = naive.values[pick % naive.values.length] as number
            tree.remove(gone)
            naive.remove(gone)
          }
          tree.add(value)
          naive.add(value)
          expect(tree.countBelow(value, false)).toBe(naive.values.filter((v) => v < value).length)
          expect(tree.countBelow(value, true)).toBe(naive.values.filter((v) => v <= value).length)
        }
        expect(naive.values.map((_, i) => tree.at(i))).toEqual(naive.values)
        // In order, so that whole leaves become empty.
        for (const gone of [...naive.values]) {
          tree.remove(gone)
          naive.remove(gone)
          const { length } = naive.values
          expect(tree.size).toBe(length)
          if (length > 0) expect(tree.at(length - 1)).toBe(naive.values[length - 1])
        }
      },
    ),
    { numRuns: 50 },
  )
})

test('is in order however many there are', () => {
  const size = 20_011
  // Each number below the prime once, in no order; then the order of removal is another.
  const numbers = Array.from({ length: size }, (_, i) => (i * 7_919) % size)
  const tree = new SortedSamples()
  for (const n of numbers) tree.add(n)
  for (let n = 0; n < size; n += 97) {
    expect(tree.at(n)).toBe(n)
    expect(tree.countBelow(n, false)).toBe(n)
  }
  for (const n of numbers) if (n % 3 !== 0) tree.remove(n)
  for (let i = 0; i < tree.size; i += 97) {
    expect(tree.at(i)).toBe(i * 3)
    expect(tree.countBelow(i * 3, true)).toBe(i + 1)
  }
  for (let n = 0; n < size; n += 3) tree.remove(n)
  expect(tree.size).toBe(0)
})

test('a value that is not there is not removed', () => {
  const tree = new SortedSamples()
  tree.add(1)
  tree.remove(2)
  expect(tree.size).toBe(1)
})
