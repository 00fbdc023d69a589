import { type Cursor, Graph, manualClock, pull, push, realtime, sink } from '@gw/core'
import { expect, test } from 'vitest'
import { patient } from './support/patient.js'

/** Has its first row at once, and the rest, as a block, once they are delivered. */
class TwoBlocks implements Cursor<string> {
  time = 0
  value = ''
  readonly #rows = [
    [0, 'a'],
    [10, 'b'],
    [20, 'c'],
    [90, 'd'],
  ] as const
  readonly #delivered: Promise<void>
  #at = -1

  constructor(delivered: Promise<void>) {
    this.#delivered = delivered
  }

  next(): boolean | Promise<boolean> {
    const row = this.#rows[++this.#at]
    if (row === undefined) return false
    ;[this.time, this.value] = row
    return this.#at === 1 ? this.#delivered.then(() => true) : true
  }
}

test('rows that a realtime run had to wait for tick at its present, in order, each in a cycle of its own', async () => {
  const graph = new Graph()
  let deliver: () => void = () => undefined
  const delivered = new Promise<void>((resolve) => {
    deliver = resolve
  })
  const rows = pull<string>(graph, 'rows', () => new TwoBlocks(delivered))
  const telemetry = push<string>(graph, 'nonCollapsing')
  const seen: string[] = []
  sink('seen', { rows, telemetry: telemetry.edge }, ({ rows, telemetry }, context) => () => {
    if (rows.ticked) seen.push(`${context.now} ${rows.value}`)
    if (telemetry.ticked) seen.push(`${context.now} ${telemetry.value}`)
  })
  const clock = manualClock(0)
  const run = realtime(graph, { clock, ...patient, start: 0, end: 100 })
  clock.advanceTo(50)
  telemetry.push('telemetry')
  deliver()
  await expect.poll(() => seen.length).toBe(4)
  clock.advanceTo(100)
  await run.done
  expect(seen).toEqual(['0 a', '50 telemetry', '50 b', '50 c', '90 d'])
})
