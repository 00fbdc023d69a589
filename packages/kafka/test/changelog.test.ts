import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KafkaClient, ReaderOptions } from '@gw/kafka'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Changelog } from '../src/changelog.js'
import { Checkpoints } from '../src/checkpoint.js'
import { KeyedStore } from '../src/store.js'

const HOUR_MS = 3_600_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-changelog-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

/** A changelog of one partition whose records are these, of a store of sums. */
function changelogOf(values: readonly (readonly [key: string, value: number])[]) {
  const high = BigInt(values.length)
  const client: Partial<KafkaClient> = {
    bounds: () => Promise.resolve(new Map([[0, { low: 0n, high }]])),
    ensureTopics: () => Promise.resolve([]),
    topicSettings: () => Promise.resolve(new Map()),
    reader: ({ onRecords, onPosition }: ReaderOptions) => {
      queueMicrotask(() => {
        void onRecords(
          values.map(([key, value], offset) => ({
            topic: 'changes',
            partition: 0,
            offset: String(offset),
            key: JSON.stringify(['sums', key]),
            value: Buffer.from(JSON.stringify(value)),
            headers: {},
            timestampMs: 0,
          })),
        )
        onPosition?.('changes', 0, high)
      })
      return { pause: () => undefined, resume: () => undefined, close: () => Promise.resolve() }
    },
  }
  const sums = new KeyedStore<number>('sums')
  const changelog = new Changelog({
    client: client as KafkaClient,
    topic: 'changes',
    createTopics: true,
    inputs: ['orders'],
    stores: [sums as KeyedStore],
    checkpoints: new Checkpoints(folder, 'changes', 'rules'),
    signal: new AbortController().signal,
    onLoaded: () => undefined,
    onDropped: () => undefined,
    onUnfit: () => undefined,
    bury: () => {
      throw new Error('nothing is buried')
    },
  })
  changelog.attach({ partition: undefined, partitionOf: () => 0 })
  return { changelog, sums }
}

async function checkpoint(): Promise<readonly unknown[]> {
  const entries: unknown[] = []
  const next = await new Checkpoints(folder, 'changes', 'rules').read(0, HOUR_MS, (...entry) =>
    entries.push(entry),
  )
  return [next, ...entries]
}

test('a partition that goes to another gateway while its checkpoint is written leaves the one before, whole', async () => {
  const { changelog, sums } = changelogOf([
    ['a', 1],
    ['b', 2],
    ['a', 3],
  ])
  await changelog.restore(0)
  expect([...sums.entries()]).toEqual([
    ['a', 3],
    ['b', 2],
  ])
  await changelog.checkpoint(0)
  const whole = [3n, ['sums', 'a', 3], ['sums', 'b', 2]]
  expect(await checkpoint()).toEqual(whole)

  const written = changelog.checkpoint(0)
  changelog.drop(0)
  await written
  expect(await checkpoint()).toEqual(whole)
  expect(readdirSync(folder)).toHaveLength(1)
  expect(sums.size).toBe(0)
})
