import {
  type ChannelInfo,
  channel,
  defineChannels,
  defineModule,
  Gateway,
  type LiveChannels,
  struct,
} from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import type { ClusterCalls } from '../src/cluster-calls.js'
import { KafkaError } from '../src/errors.js'
import type { SharedSends } from '../src/shared-sends.js'
import { SharedStagings } from '../src/shared-stagings.js'
import { StagingMirror } from '../src/staging-mirror.js'

// What a rebalance in the midst of a release does, which no broker does when it is asked.

const Order = struct('Order', { symbol: z.string() })
const channels = defineChannels({ orders: channel(Order, { send: true, stage: true }) })

let gateway: Gateway<(typeof channels)['channels']>
let live: LiveChannels<AnyChannels>
let mirror: StagingMirror
let stagings: SharedStagings
/** Records that owners have ticked, by the id of the release, as they remember it. */
let ticked: Map<string, readonly unknown[]>
let meanwhile: () => Promise<void>
let commitFails: boolean

beforeEach(async () => {
  ticked = new Map()
  meanwhile = async () => undefined
  commitFails = false
  gateway = new Gateway({
    channels,
    modules: [defineModule(channels, 'reader', (c) => void c.getChannel('orders'))],
  })
  await gateway.start()
  live = gateway.channels as never
  const info = live.info.find(({ name }) => name === 'orders') as ChannelInfo
  mirror = new StagingMirror(live, info, () => 1)
  mirror.store.attach({ partition: 0, partitionOf: () => 0 })
  const calls = {
    id: 'here',
    counted: async () => undefined,
    atOwner: async (_partition, _name, ask, here) => here(ask('here')),
  } satisfies Partial<ClusterCalls>
  const sends = {
    hasOwners: () => true,
    ownersOf: async (_channel, records) =>
      records.map((record) => Number((record as { readonly symbol: string }).symbol)),
    release: async (_channel, partition, records, _origins, id) => {
      if (partition === 9) throw new KafkaError('TIMED_OUT', 'away')
      if (!ticked.has(id)) ticked.set(id, records)
      await meanwhile()
    },
  } satisfies Partial<SharedSends>
  stagings = new SharedStagings({
    channels: live,
    calls: calls as never,
    sends: sends as never,
    mirrors: new Map([['orders', mirror]]),
    waitMs: 1_000,
    ownerTimeoutMs: 1_000,
    prepared: async () => undefined,
    inUnit: async (_partition, work) => {
      if (!commitFails) return work()
      commitFails = false
      // What was not committed is read again from where it was kept.
      mirror.restore(0)
      throw new KafkaError('FENCED', 'somebody else has it')
    },
  })
})

afterEach(async () => {
  mirror.stop()
  await gateway.stop()
})

const ids = (stagings: object): string[] =>
  Object.values(stagings)
    .flat()
    .map(({ id }) => id)
const tickedIds = (): string[] => [...ticked.values()].flatMap((records) => ids(records))
const add = (id: string, symbol: string) => stagings.stageAdd('orders', { id, symbol })

test('who gets the stagings during a release is told what has ticked, and has the rest', async () => {
  await add('a', '1')
  await add('b', '2')
  meanwhile = async () => {
    meanwhile = async () => undefined
    mirror.restore(0)
    // Somebody is first there.
    await add('later', '1')
  }
  expect(ids(await stagings.stageRelease('orders'))).toEqual(['a', 'b'])
  expect(ids(await stagings.stageLookup('orders'))).toEqual(['later'])
  await stagings.stageRelease('orders')
  expect(tickedIds().sort()).toEqual(['a', 'b', 'later'])
  mirror.restore(0)
  expect(await stagings.stageList('orders')).toEqual([])
})

test('a release that is not committed is told to who holds the stagings then', async () => {
  await add('a', '1')
  await add('b', '2')
  meanwhile = async () => {
    commitFails = true
  }
  expect(ids(await stagings.stageRelease('orders'))).toEqual(['a', 'b'])
  mirror.restore(0)
  expect(await stagings.stageList('orders')).toEqual([])
  expect(tickedIds()).toEqual(['a', 'b'])
})

test('what was replaced before that was told is another record, and staged still', async () => {
  await add('a', '1')
  meanwhile = async () => {
    meanwhile = async () => undefined
    mirror.restore(0)
    await add('a', '2')
  }
  await stagings.stageRelease('orders')
  expect(await stagings.stageLookup('orders')).toMatchObject({
    [String(await stagings.stageList('orders'))]: [{ id: 'a', symbol: '2' }],
  })
})

test('the same records of the same stagings, released anew, are the same release to their owners', async () => {
  await add('a', '1')
  await add('b', '2')
  const [[id, records]] = Object.entries(await stagings.stageLookup('orders')) as [
    [string, readonly unknown[]],
  ]
  await stagings.stageRelease('orders')
  // As whoever comes after a holder that was killed has them.
  mirror.stagings.restore([[id, records]])
  await stagings.stageRelease('orders')
  expect(tickedIds()).toEqual(['a', 'b'])
})

test('what one has allowed is done only if it is that which is touched', async () => {
  await add('mine', '1')
  const seen: string[] = []
  const checkStaged = (record: unknown): void => {
    const { id } = record as { readonly id: string }
    // Somebody is faster.
    if (seen.push(id) === 1) void add('others', '1')
    if (id === 'others') throw new Error('not yours')
  }
  const release = stagings.stageRelease('orders', undefined, { checkStaged })
  await expect(release).rejects.toThrow('not yours')
  expect(seen).toEqual(['mine', 'mine', 'others'])
  expect(tickedIds()).toEqual([])
  expect(ids(await stagings.stageLookup('orders'))).toEqual(['mine', 'others'])
})
