import { manualClock, timestampOf } from '@gw/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  ChannelsError,
  channel,
  defineChannels,
  dynamicBasket,
  Gateway,
  struct,
} from '../src/index.js'
import type { Any } from './support.js'

const Order = struct('Order', { symbol: z.string(), quantity: z.int() })
const channels = defineChannels({
  orders: channel(Order, { send: true, stage: true, state: { by: 'symbol' } }),
  prices: basket(['A', 'B'], z.number(), { send: true }),
  living: dynamicBasket(z.number(), { send: true, required: false }),
})
const START = timestampOf('2024-01-01T00:00:00Z')
const order = { symbol: 'AAPL', quantity: 1 }

let gateway: Gateway<(typeof channels)['channels']>
/** Without types: what the compiler would refuse can be tried. */
let live: Any

beforeEach(async () => {
  gateway = new Gateway({ channels, clock: manualClock(START), budgetMs: Number.POSITIVE_INFINITY })
  await gateway.start()
  live = gateway.channels
})

afterEach(() => gateway.stop())

/** What a call fails with, now or later. */
async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  return undefined
}

const contained: { self?: unknown } = {}
contained.self = contained

/** Of each kind that is none of them: a text, a number, a function, an object, a list, and what has no JSON. */
const ODD = {
  text: [null, 5, [], {}, 1n, Symbol('odd'), contained, true],
  object: [null, 5, 'text', [], () => 1, 1n, Symbol('odd'), true],
  function: [null, 5, 'text', [], {}, 1n, Symbol('odd'), true],
  position: [null, 5, '1:2', [], {}, { epoch: 'e' }, { epoch: 'e', offset: -1 }, { offset: 1 }],
  signal: [null, 5, 'text', [], {}, { aborted: true }],
  timeoutMs: [null, '5', [], {}, 1n, Number.NaN, -1],
  list: [null, 5, 'text', {}, () => 1, 1n, Symbol('odd')],
} as const

type Call = (odd: unknown) => unknown

const optionsOf: { readonly [call: string]: (options: unknown) => unknown } = {
  send: (options) => live.send('orders', order, undefined, options),
  sendAll: (options) => live.sendAll('orders', [order], undefined, options),
  sendBasket: (options) => live.sendBasket('prices', { A: 1 }, options),
  sendBatch: (options) => live.sendBatch([{ channel: 'orders', data: order }], options),
  sendAndWait: (options) => live.sendAndWait('orders', order, undefined, options),
  sendAllAndWait: (options) => live.sendAllAndWait('orders', [order], undefined, options),
  sendBasketAndWait: (options) => live.sendBasketAndWait('prices', { A: 1 }, options),
  sendBatchAndWait: (options) =>
    live.sendBatchAndWait([{ channel: 'orders', data: order }], options),
  stageAdd: (options) => live.stageAdd('orders', order, undefined, options),
  stageRelease: (options) => live.stageRelease('orders', undefined, options),
  next: (options) => live.next('prices', 'A', options),
  last: (options) => live.last('prices', 'A', options),
  atLeast: (options) => live.atLeast('orders', undefined, live.positionOf('orders'), options),
  watch: (options) => live.watch('orders', undefined, () => undefined, options),
  subscribe: (options) => live.subscribe('prices', 'A', options),
}

const WAITING_SENDS = ['sendAndWait', 'sendAllAndWait', 'sendBasketAndWait', 'sendBatchAndWait']

const options: readonly (readonly [
  option: string,
  odd: readonly unknown[],
  calls: readonly string[],
])[] = [
  [
    'messageId',
    [...ODD.text, '', 'm'.repeat(129)],
    ['send', 'sendAll', 'sendBasket', 'sendBatch', ...WAITING_SENDS],
  ],
  ['expect', ODD.position, ['send', 'sendAll', 'sendBasket', ...WAITING_SENDS]],
  [
    'origin',
    ODD.text,
    ['send', 'sendAll', 'sendBasket', 'sendBatch', 'sendAndWait', 'stageAdd', 'stageRelease'],
  ],
  [
    'check',
    ODD.function,
    ['send', 'sendAll', 'sendBasket', 'sendBatch', 'sendAndWait', 'stageAdd'],
  ],
  ['timeoutMs', ODD.timeoutMs, ['next', 'atLeast', ...WAITING_SENDS]],
  ['signal', ODD.signal, ['next', 'atLeast', ...WAITING_SENDS, 'subscribe']],
  ['maxBuffered', [null, '5', [], 0, Number.NaN, 1n, Symbol('odd')], ['subscribe']],
  ['mode', [null, 5, 'fast', [], 1n, contained], ['subscribe']],
]

describe('an option of another kind is refused, naming it and its call', () => {
  test.each(
    options.flatMap(([option, odd, calls]) => calls.map((call) => [option, call, odd] as const)),
  )('%s of %s', async (option, call, odd) => {
    for (const value of odd) {
      const error = await failureOf(() => optionsOf[call]?.({ [option]: value }))
      expect(error).toBeInstanceOf(ChannelsError)
      expect((error as Error).message).toMatch(`the option ${option} of ${call} is `)
      const isOfTheWire = ['messageId', 'expect'].includes(option)
      expect(error).toMatchObject({ code: isOfTheWire ? 'BAD_REQUEST' : 'INVALID_OPTION' })
    }
    expect(gateway.health.live).toBe(true)
    expect(live.positionOf('orders').offset + live.positionOf('prices').offset).toBe(0)
    expect(live.stageList('orders')).toEqual([])
  })

  test.each(Object.keys(optionsOf))('and so are options of %s that are none', async (call) => {
    for (const odd of ODD.object) {
      expect(await failureOf(() => optionsOf[call]?.(odd))).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining(`the options of ${call} are an object`),
      })
    }
    expect(gateway.health.live).toBe(true)
  })
})

const others: readonly (readonly [what: string, code: string, odd: readonly unknown[], Call])[] = [
  [
    'a position that last waits for',
    'BAD_REQUEST',
    ODD.position,
    (odd) => live.last('orders', { atLeast: odd }),
  ],
  [
    'a position that is waited for',
    'BAD_REQUEST',
    ODD.position,
    (odd) => live.atLeast('orders', undefined, odd),
  ],
  [
    'where a subscription begins',
    'BAD_REQUEST',
    ODD.position,
    (odd) => live.subscribe('orders', { from: odd }),
  ],
  [
    'matches of nextTicks',
    'INVALID_OPTION',
    ODD.function,
    (odd) => live.nextTicks('orders', undefined, { matches: odd }),
  ],
  [
    'the listener of watch',
    'INVALID_OPTION',
    ODD.function,
    (odd) => live.watch('orders', undefined, odd),
  ],
  [
    'the listener of watchStage',
    'INVALID_OPTION',
    ODD.function,
    (odd) => live.watchStage('orders', odd),
  ],
  ['isVisible of query', 'INVALID_OPTION', ODD.function, (odd) => live.query('orders', {}, odd)],
  [
    'the listener of watchState',
    'INVALID_OPTION',
    ODD.function,
    (odd) => live.watchState('orders', odd),
  ],
  ['isVisible of arrivals', 'INVALID_OPTION', ODD.function, (odd) => live.arrivals('orders', odd)],
  ['isVisible of count', 'INVALID_OPTION', ODD.function, (odd) => live.count('orders', {}, odd)],
  ['isVisible of lookup', 'INVALID_OPTION', ODD.function, (odd) => live.lookup('1', 'orders', odd)],
  ['a query', 'INVALID_QUERY', ODD.object, (odd) => live.query('orders', odd)],
  ['the name of a channel', 'UNKNOWN_CHANNEL', ODD.text, (odd) => live.send(odd, order)],
  ['the name of a state', 'NO_STATE', ODD.text, (odd) => live.query(odd)],
  ['a key of a basket', 'UNKNOWN_KEY', ODD.text, (odd) => live.send('prices', 1, odd)],
  [
    'a key that comes and goes',
    'UNKNOWN_KEY',
    [...ODD.text, ''],
    (odd) => live.send('living', 1, odd),
  ],
  ['a key that is read', 'UNKNOWN_KEY', ODD.text, (odd) => live.lastTicks('living', odd)],
  ['the records of sendAll', 'BAD_REQUEST', ODD.list, (odd) => live.sendAll('orders', odd)],
  ['the records to complete', 'BAD_REQUEST', ODD.list, (odd) => live.complete('orders', odd)],
  ['a batch', 'BAD_REQUEST', ODD.list, (odd) => live.sendBatch(odd)],
  ['a send of a batch', 'BAD_REQUEST', ODD.object, (odd) => live.sendBatch([odd])],
  [
    'a channel of a batch',
    'BAD_REQUEST',
    ODD.text,
    (odd) => live.sendBatch([{ channel: odd, data: order }]),
  ],
  [
    'a key of a batch',
    'BAD_REQUEST',
    ODD.text,
    (odd) => live.sendBatch([{ channel: 'prices', key: odd, data: 1 }]),
  ],
  [
    'an expected position of a batch',
    'BAD_REQUEST',
    [{ epoch: 'e', offset: 0 }],
    (odd) => live.sendBatch([], { expect: odd }),
  ],
  ['what a basket is sent', 'BAD_REQUEST', ODD.object, (odd) => live.sendBasket('prices', odd)],
  [
    'ids of stagings',
    'STAGING_MISUSE',
    ['text', 5, null, [5], {}, 1n, contained],
    (odd) => live.stageAdd('orders', order, odd),
  ],
  ['the id of a staging', 'STAGING_MISUSE', ODD.text, (odd) => live.stageLookup('orders', odd)],
  [
    'the id of a staged record',
    'STAGING_MISUSE',
    ODD.text,
    (odd) => live.stageRemove('orders', odd),
  ],
  [
    'records that a state is restored from',
    'INVALID_OPTION',
    ODD.list,
    (odd) => live.restoreState('orders', odd),
  ],
  [
    'keys that a state forgets',
    'INVALID_OPTION',
    ODD.list,
    (odd) => live.forgetState('orders', odd),
  ],
  [
    'a key that a state forgets',
    'INVALID_OPTION',
    ODD.list,
    (odd) => live.forgetState('orders', [odd]),
  ],
  [
    'the id of a dead letter',
    'UNKNOWN_ID',
    ODD.text,
    (odd) => gateway.deadLetters.resend(odd as string),
  ],
]

describe('what is of another kind is refused with the code of its call', () => {
  test.each(others)('%s: %s', async (_, code, odd, call) => {
    for (const value of odd) {
      const error = await failureOf(() => call(value))
      expect(error).toBeInstanceOf(ChannelsError)
      expect(error).toMatchObject({ code })
    }
    expect(gateway.health.live).toBe(true)
    expect(live.positionOf('orders').offset + live.positionOf('prices').offset).toBe(0)
  })
})

test('a message shows what it got in a few words, however long it was', async () => {
  const error = await failureOf(() => live.send('living'.repeat(100_000), 1))
  expect((error as Error).message.length).toBeLessThan(400)
})

const gatewayOptions: readonly (readonly [option: RegExp, options: object])[] = [
  [/start is a time/, { start: 'soon' }],
  [/start is a time/, { start: Number.NaN }],
  [/end is a time/, { end: null }],
  [/blockSetChannelsUntil is a time/, { blockSetChannelsUntil: {} }],
  [/speed is a number/, { speed: 1n }],
  [/speed is a number/, { speed: 0 }],
  [/budgetMs is a number/, { budgetMs: Symbol('odd') }],
  [/stopTimeoutMs is a number/, { stopTimeoutMs: contained }],
  [/idBase is 18 digits/, { idBase: 179_596_776_717 }],
  [/clock has the method now/, { clock: null }],
  [/clock has the method wakeAt/, { clock: { now: () => 0 } }],
  [/logger has the method info/, { logger: 'console' }],
  [/graph is a function/, { graph: {} }],
  [/disable is a list/, { disable: 'totals' }],
  [/enable is a list/, { enable: [5] }],
  [/modules are a list/, { modules: {} }],
  [/limits is an object/, { limits: null }],
  [/limits has no "historyTick"/, { limits: { historyTick: 5 } }],
  [/limits.query is an object/, { limits: { query: 5 } }],
  [/limits.query has no "deep"/, { limits: { query: { deep: 5 } } }],
  [/depth is a number/, { limits: { query: { depth: '8' } } }],
  [/messageIdBytes is a number/, { limits: { messageIdBytes: null } }],
]

test.each(gatewayOptions)('of a gateway: %s', (message, options) => {
  expect(() => new Gateway({ channels, ...options } as Any)).toThrow(
    expect.objectContaining({
      name: 'ChannelsError',
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message),
    }),
  )
})

test('options of a gateway, a run or a simulation that are none', async () => {
  const idle = new Gateway({ channels }) as Any
  for (const odd of ODD.object) {
    for (const call of [
      () => new Gateway(odd as Any),
      () => idle.run(odd),
      () => idle.simulate(odd),
    ]) {
      expect(await failureOf(call)).toMatchObject({ name: 'ChannelsError', code: 'INVALID_OPTION' })
    }
  }
  const refused: readonly (readonly [RegExp, () => unknown])[] = [
    [/signal is an AbortSignal/, () => idle.run({ signal: {} })],
    [/signals is true or false/, () => idle.run({ signals: 'SIGTERM' })],
    [/signal is an AbortSignal/, () => idle.simulate({ signal: 5 })],
    [/start is a time/, () => idle.simulate({ start: 'soon' })],
    [/duration is a number/, () => idle.simulate({ duration: '5s' })],
    [
      /an end or a duration, not both/,
      () => idle.simulate({ start: START, end: START, duration: 1 }),
    ],
    [/idBase is 18 digits/, () => idle.simulate({ idBase: 5 })],
  ]
  for (const [message, call] of refused) {
    expect(await failureOf(call)).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message),
    })
  }
  expect(idle.health.live).toBe(false)
})
