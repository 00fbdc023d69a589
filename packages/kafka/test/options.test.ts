import { basket, channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { map, timestampOf } from '@gw/core'
import { aggregate, cluster, confluentJson, KafkaError, kafka, replayKafka, store } from '@gw/kafka'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({
  orders: channel(Order, { send: true, required: false }),
  fills: channel(Order),
  batches: channel(z.array(Order), { required: false }),
  sides: basket(['buy'], Order, { required: false }),
})
const market = defineModule(channels, 'market', (c) => {
  c.setChannel(
    'fills',
    map(c.getChannel('orders'), (order) => order),
  )
})

type Call = (options: unknown) => unknown
// Without types: what the compiler would refuse can be tried.
const calls = { kafka, cluster, replayKafka } as unknown as Readonly<
  Record<'kafka' | 'cluster' | 'replayKafka', Call>
>
type CallName = keyof typeof calls

const good = {
  kafka: { brokers: ['127.0.0.1:1'], subscribe: { orders: { 'a-topic': '' } } },
  cluster: {
    brokers: ['127.0.0.1:1'],
    groupId: 'g',
    by: { orders: 'symbol' },
    subscribe: { orders: { 'a-topic': '' } },
  },
  replayKafka: { brokers: ['127.0.0.1:1'], subscribe: { orders: { 'a-topic': '' } } },
} as const

function failureOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return undefined
}

const circular: { self?: unknown } = {}
circular.self = circular
const odd = Symbol('odd')
/** Of each kind what it is not. */
const NO_TEXT = [null, 5, [], {}, 1n, odd, circular, true, () => 1, '']
const NO_BOOLEAN = [null, 0, 1, 'true', [], {}, 1n, odd]
const NO_FUNCTION = [null, 5, 'text', [], {}, 1n, odd, true]
const NO_OBJECT = [null, 5, 'text', [], () => 1, 1n, odd, true]
const NO_COUNT = [
  null,
  '5',
  [],
  {},
  1n,
  odd,
  true,
  Number.NaN,
  0,
  -1,
  1.5,
  Number.POSITIVE_INFINITY,
]
const NO_MS = [null, '5', [], {}, 1n, odd, Number.NaN, 0, -1, Number.POSITIVE_INFINITY, 2 ** 31]
const NO_TOPIC = [...NO_TEXT, 'a topic', 'ü', '.', '..', 'a/b', 't'.repeat(250)]
const NO_TOPICS = [
  ...NO_OBJECT,
  { orders: null },
  { orders: 'a-topic' },
  { orders: ['a-topic'] },
  { orders: {} },
  { orders: { 'a topic': '' } },
  { orders: { '': '' } },
  { orders: { 'a-topic': null } },
  { orders: { 'a-topic': 5 } },
  { '': { 'a-topic': '' } },
]
const NO_FUNCTIONS = [...NO_OBJECT, { orders: 5 }, { orders: {} }]
const NO_PLACE = [
  ...NO_OBJECT,
  {},
  { time: Number.NaN },
  { time: 1.5 },
  { time: 'yesterday' },
  { time: '2026-02-30' },
  { time: null },
  { offsets: null },
  { offsets: { 'a-topic': 5 } },
  { offsets: { 'a-topic': { x: 1 } } },
  { offsets: { 'a-topic': { 0: -1 } } },
  { offsets: { 'a-topic': { 0: 1.5 } } },
  { offsets: { 'a-topic': { 0: Number.NaN } } },
  { offsets: { 'a-topic': { 0: '-1' } } },
  { offsets: { 'a-topic': { 0: 'x' } } },
  { time: 0, offsets: {} },
  { at: 0 },
]

const ALL: readonly CallName[] = ['kafka', 'cluster', 'replayKafka']
const MEMBERS: readonly CallName[] = ['kafka', 'cluster']
const CLUSTER: readonly CallName[] = ['cluster']
const REPLAY: readonly CallName[] = ['replayKafka']

const options: readonly (readonly [
  name: string,
  calls: readonly CallName[],
  odd: readonly unknown[],
])[] = [
  [
    'brokers',
    ALL,
    [
      undefined,
      null,
      [],
      'a:1',
      {},
      [5],
      [null],
      [''],
      ['a'],
      ['a:'],
      [':1'],
      ['a:0'],
      ['a:65536'],
      ['a:1', 'b'],
      [' :1'],
    ],
  ],
  ['clientId', ALL, NO_TEXT],
  ['name', ALL, NO_TEXT],
  ['ssl', ALL, [null, 5, 'yes', [], () => 1, 1n, odd]],
  ['sasl', ALL, [...NO_OBJECT, {}, { mechanism: '' }, { mechanism: 5 }]],
  ['client', ALL, [...NO_OBJECT, {}, { producer: () => 1 }]],
  ['serde', ALL, [...NO_OBJECT, {}, { read: () => 1 }, { write: 5, read: () => 1 }]],
  ['subscribe', ALL, [...NO_TOPICS, { orders: { 'a-topic': { attribute: 'symbol' } } }]],
  ['subscribeProcessors', ALL, [...NO_FUNCTIONS, { fills: () => 1 }]],
  [
    'publish',
    MEMBERS,
    [
      ...NO_TOPICS,
      { orders: { 'a-topic': {} } },
      { orders: { 'a-topic': { attribute: '' } } },
      { orders: { 'a-topic': { attribute: 5 } } },
      { orders: { 'a-topic': { attribut: 'symbol' } } },
    ],
  ],
  ['publishProcessors', MEMBERS, [...NO_FUNCTIONS, { fills: () => 1 }]],
  ['publishHeaders', MEMBERS, [...NO_FUNCTIONS, { fills: () => 1 }]],
  ['exactlyOnce', MEMBERS, NO_BOOLEAN],
  ['createTopics', MEMBERS, NO_BOOLEAN],
  ['groupId', MEMBERS, NO_TEXT],
  ['from', MEMBERS, [null, 'first', 5, {}, '', true]],
  ['deadLetterTopic', MEMBERS, [...NO_TOPIC, 'a-topic']],
  ['maxPendingRecords', MEMBERS, NO_COUNT],
  ['maxPendingBytes', MEMBERS, NO_COUNT],
  ['maxInFlight', MEMBERS, NO_COUNT],
  ['drainTimeoutMs', MEMBERS, NO_MS],
  ['sessionTimeoutMs', MEMBERS, NO_MS],
  ['statusChannel', MEMBERS, NO_TEXT],
  ['onStatus', MEMBERS, NO_FUNCTION],
  ['groupId', CLUSTER, [undefined]],
  ['by', CLUSTER, [undefined, ...NO_OBJECT, { orders: 5 }, { orders: '' }, { orders: null }]],
  [
    'stores',
    CLUSTER,
    [null, {}, 'sums', [null], ['sums'], [{ name: 'sums' }], [store('sums'), store('sums')]],
  ],
  ['changelogTopic', CLUSTER, [...NO_TOPIC, 'a-topic']],
  ['standbys', CLUSTER, NO_COUNT.filter((value) => value !== 0)],
  [
    'checkpoints',
    CLUSTER,
    [
      ...NO_OBJECT,
      {},
      { folder: '' },
      { folder: 5 },
      { folder: 'f', everyMs: 0 },
      { folder: 'f', every: 1 },
    ],
  ],
  ['relay', CLUSTER, [...NO_OBJECT, { orders: 5 }, { orders: '' }]],
  [
    'listen',
    CLUSTER,
    [
      ...NO_OBJECT,
      { host: '' },
      { host: 5 },
      { port: '80' },
      { port: -1 },
      { port: 65_536 },
      { port: Number.NaN },
      { prot: 80 },
      { host: '10.0.0.7' },
    ],
  ],
  ['advertise', CLUSTER, [...NO_TEXT, '10.0.0.7:4100', 'http://', 'http://a:99999']],
  ['secret', CLUSTER, NO_TEXT],
  ['web', CLUSTER, NO_FUNCTION],
  ['peerTimeoutMs', CLUSTER, NO_MS],
  ['ownerTimeoutMs', CLUSTER, NO_MS],
  ['partitioner', CLUSTER, NO_FUNCTION],
  ['from', REPLAY, [...NO_PLACE, 'live', { offsets: { other: { 0: 1 } } }]],
  ['to', REPLAY, [...NO_PLACE, { offsets: { other: { 0: 1 } } }]],
  ['eventTime', REPLAY, [...NO_OBJECT, {}, { attribute: '' }, { attribute: 5 }]],
  ['latenessMs', REPLAY, [null, '5', {}, 1n, Number.NaN, -1, Number.POSITIVE_INFINITY]],
  ['idleMs', REPLAY, NO_MS],
  ['maxWaiting', REPLAY, NO_COUNT],
  ['brokerTimeoutMs', REPLAY, NO_MS],
]

describe('an option that is wrong is refused when the module is made, naming it', () => {
  test.each(
    options.flatMap(([name, names, values]) => names.map((call) => [name, call, values] as const)),
  )('%s of %s', (name, call, values) => {
    for (const value of values) {
      const error = failureOf(() => calls[call]({ ...good[call], [name]: value }))
      expect(
        error,
        `${name}: ${typeof value === 'symbol' ? 'a symbol' : String(Object(value))}`,
      ).toBeInstanceOf(KafkaError)
      expect(error).toMatchObject({ code: 'INVALID_OPTIONS' })
      expect((error as Error).message).toMatch(
        new RegExp(`${call}.*${name === 'listen' ? 'listen|secret' : name}`),
      )
    }
  })

  test.each(ALL)('options of %s that are none, or that it does not have', (call) => {
    for (const value of [undefined, ...NO_OBJECT]) {
      expect(failureOf(() => calls[call](value))).toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining(`options of ${call}`),
      })
    }
    for (const name of ['exactlyonce', 'topics', '', '__proto__x', 'toString']) {
      expect(failureOf(() => calls[call]({ ...good[call], [name]: true }))).toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringMatching(new RegExp(`^${call} has no "${name}": it has brokers, `)),
      })
    }
  })

  test('a secret is not shown', () => {
    for (const wrong of [{ sasl: 'not-to-be-seen' }, { secret: ['not-to-be-seen'] }]) {
      const error = failureOf(() => calls.cluster({ ...good.cluster, ...wrong })) as Error
      expect(error.message).not.toContain('not-to-be-seen')
    }
  })

  test('names and options of stores', () => {
    const make = store as unknown as (name: unknown, options?: unknown) => unknown
    for (const name of [undefined, ...NO_TEXT, 'state orders']) {
      expect(failureOf(() => make(name))).toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('name'),
      })
    }
    for (const wrong of [
      ...NO_OBJECT,
      { schema: {} },
      { schema: 5 },
      { schema: null },
      { shema: Order },
    ]) {
      expect(failureOf(() => make('sums', wrong))).toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('store "sums"'),
      })
    }
  })

  test('options of aggregate, and what it folds into', () => {
    const fold = aggregate as unknown as (...args: readonly unknown[]) => unknown
    const sums = store<number>('sums')
    const right = { by: () => '', initial: 0, step: () => 0 }
    const wrong = [
      ...NO_OBJECT,
      { ...right, initial: undefined },
      { ...right, key: 'symbol' },
      ...NO_FUNCTION.flatMap((odd) => [
        { ...right, by: odd },
        { ...right, step: odd },
      ]),
    ]
    for (const options of [undefined, ...wrong]) {
      expect(failureOf(() => fold({}, sums, options))).toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('aggregate "sums"'),
      })
    }
    for (const into of [undefined, null, {}, 'sums']) {
      expect(failureOf(() => fold({}, into, right))).toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('what aggregate folds into'),
      })
    }
  })

  test('options of confluentJson, of which no login is shown', async () => {
    const make = confluentJson as unknown as (options: unknown) => Promise<unknown>
    const registry = 'http://127.0.0.1:2'
    const named = [
      ['registry', [...NO_TEXT, 'registry:8081', 'ftp://registry', 'http//u:not-to-be-seen@r']],
      ['schemas', [...NO_OBJECT, { 'a topic': {} }, { topic: '{}' }, { topic: true }]],
      ['login', [...NO_OBJECT, 'u:not-to-be-seen', {}, { username: 'u' }, { password: 'p' }]],
      ['timeoutMs', NO_MS],
    ] as const
    for (const [name, values] of named) {
      for (const value of values) {
        const error = await make({ registry, [name]: value }).catch((failure: unknown) => failure)
        expect(error).toMatchObject({
          code: 'INVALID_OPTIONS',
          message: expect.stringContaining(`confluentJson.${name}`),
        })
        expect((error as Error).message).not.toContain('not-to-be-seen')
      }
    }
    for (const options of [undefined, ...NO_OBJECT, {}, { registry, url: registry }]) {
      await expect(make(options)).rejects.toMatchObject({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining('confluentJson'),
      })
    }
  })
})

test('options that are right are taken, and those that are undefined count as left out', () => {
  for (const [call, options] of Object.entries(good)) {
    expect(
      failureOf(() => calls[call as CallName]({ ...options, name: undefined, client: undefined })),
    ).toBeUndefined()
  }
  const all = {
    ...good.cluster,
    clientId: 'c',
    ssl: { rejectUnauthorized: false },
    // What gives a login that changes is not asked here.
    sasl: {
      mechanism: 'plain',
      username: 'u',
      get password(): string {
        throw new Error('nobody is to ask yet')
      },
    },
    publish: { fills: { fills: { attribute: 'symbol' } }, orders: undefined },
    standbys: 0,
    listen: { host: '127.0.0.2', port: 0 },
    advertise: 'http://gateway-7.example:4100',
    stores: [store('sums', { schema: z.number() })],
  }
  expect(failureOf(() => calls.cluster(all))).toBeUndefined()
  for (const place of [
    { time: 0 },
    { time: '2026-01-01' },
    { offsets: { 'a-topic': { 0: '12', 1: 0 } } },
  ]) {
    const options = { ...good.replayKafka, from: place, to: place, latenessMs: 0 }
    expect(failureOf(() => calls.replayKafka(options))).toBeUndefined()
  }
})

describe('what the contract does not have is refused while the graph is wired', () => {
  const wired = async (call: CallName, options: object): Promise<unknown> => {
    const module = calls[call]({ ...good[call], ...options }) as never
    const gateway = new Gateway({ channels, modules: [market, module] })
    return gateway.simulate({ start: timestampOf('2026-01-01'), duration: 0 }).then(
      () => undefined,
      (error: unknown) => error,
    )
  }
  const topic = { 'a-topic': '' }

  test.each<[call: CallName, options: object, channel: string, says: string]>([
    ['kafka', { subscribe: { ordres: topic } }, 'ordres', 'subscribe names the channel "ordres"'],
    ['kafka', { publish: { toString: topic } }, 'toString', 'publish names the channel "toString"'],
    [
      'kafka',
      { publish: { fills: { t: { attribute: 'desk' } } } },
      'fills',
      'publish names the attribute "desk"',
    ],
    [
      'kafka',
      { publish: { sides: { t: { attribute: 'a.b' } } } },
      'sides',
      'publish names the attribute "a.b"',
    ],
    ['kafka', { publish: { batches: { t: { attribute: 'symbol' } } } }, 'batches', 'ticks lists'],
    ['cluster', { by: { ordres: 'symbol' } }, 'ordres', 'by names the channel "ordres"'],
    ['cluster', { by: { orders: 'symbl' } }, 'orders', 'they have id, timestamp, symbol, quantity'],
    ['cluster', { by: { batches: 'symbl' } }, 'batches', 'by names the attribute "symbl"'],
    ['cluster', { relay: { fils: 'orders' } }, 'fils', 'relay names the channel "fils"'],
    ['cluster', { relay: { fills: 'ordres' } }, 'ordres', 'relay names the channel "ordres"'],
    ['cluster', { relay: { fills: 'fills' } }, 'fills', 'relay has "fills" tick on itself'],
    [
      'replayKafka',
      { subscribe: { ordres: topic } },
      'ordres',
      'subscribe names the channel "ordres"',
    ],
  ])('%s %o', async (call, options, channel, says) => {
    expect(await wired(call, options)).toMatchObject({
      code: 'MODULE_FAILED',
      message: expect.stringContaining(says),
      cause: { code: 'INVALID_OPTIONS', channel },
    })
  })
})
