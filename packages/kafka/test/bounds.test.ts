import type { KafkaStatus } from '@gw/kafka'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Changelog } from '../src/changelog.js'
import { Intake } from '../src/intake.js'
import { withAdmin } from '../src/kafkajs-admin.js'
import { KafkajsConsumer } from '../src/kafkajs-consumer.js'
import { loginOf } from '../src/kafkajs-login.js'
import { KafkajsProducer } from '../src/kafkajs-producer.js'
import { KafkajsTransactor } from '../src/kafkajs-transactor.js'
import { Task, Tasks } from '../src/task.js'

// kafkajs never settles what is under way on a connection that dies while it is being closed: here it always does so.
const never = (): Promise<never> => new Promise(() => undefined)
const admin = {
  connect: async () => undefined,
  disconnect: async () => undefined,
  fetchOffsets: async () => [
    { topic: 'orders', partitions: [{ partition: 0, offset: '7', metadata: 'before' }] },
  ],
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function transactorWith(producer: object): KafkajsTransactor {
  const transaction = { send: never, sendOffsets: never, commit: never }
  const working = {
    connect: async () => undefined,
    transaction: async () => transaction,
    disconnect: async () => undefined,
  }
  const kafka = { admin: () => admin, producer: () => ({ ...working, ...producer }) }
  return new KafkajsTransactor(kafka as never, {
    transactionalId: 'totals-0',
    groupId: 'totals',
    topics: ['orders'],
    partition: 0,
    onRefused: () => undefined,
  })
}

test('a transactor opens again although the connection before it never ends', async () => {
  const transactor = transactorWith({ disconnect: never })
  await transactor.open()
  const again = transactor.open()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await again).toEqual({ offsets: new Map([['orders', 7n]]), mark: 'before' })
})

test.each(['connect', 'transaction'])('an open whose %s is never answered fails', async (call) => {
  const opened = expect(transactorWith({ [call]: never }).open()).rejects.toMatchObject({
    code: 'TIMED_OUT',
    message: expect.stringContaining('totals-0'),
  })
  await vi.advanceTimersByTimeAsync(30_000)
  await opened
})

test('a commit that is never answered fails when the broker has aborted it', async () => {
  const transactor = transactorWith({})
  await transactor.open()
  const committed = expect(
    transactor.commit([{ topic: 'totals', key: 'a', value: '1' }], {
      offsets: new Map(),
      mark: '',
    }),
  ).rejects.toMatchObject({ code: 'TIMED_OUT' })
  await vi.advanceTimersByTimeAsync(60_000)
  await committed
})

test('a producer tells of a broker that does not answer, and of its answer', async () => {
  const statuses: KafkaStatus[] = []
  let answer: () => void = () => undefined
  const kafka = {
    producer: () => ({
      connect: async () => undefined,
      disconnect: async () => undefined,
      send: () =>
        new Promise<readonly unknown[]>((resolve) => {
          answer = () => resolve([{ partition: 0 }])
        }),
    }),
  }
  const producer = new KafkajsProducer(kafka as never, {
    maxPendingRecords: 10,
    maxPendingBytes: 1_000,
    onStatus: (status) => statuses.push(status),
    onRefused: () => undefined,
  })
  producer.send({ topic: 'orders', key: 'a', value: '1' })
  await vi.advanceTimersByTimeAsync(14_000)
  expect(statuses.at(-1)).toEqual({ state: 'running', message: '' })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(statuses.at(-1)).toEqual({
    state: 'recovering',
    message: 'topic "orders": the broker has not answered for 15 s, 1 records wait',
  })
  answer()
  await producer.close(1_000)
  expect(statuses.at(-2)).toEqual({ state: 'running', message: '' })
})

test('a consumer takes nothing that was read when the group has done without it meanwhile', async () => {
  vi.useRealTimers()
  let eachBatch: (payload: object) => Promise<void> = never
  const taken: string[] = []
  const consumer = {
    events: {},
    on: () => undefined,
    connect: async () => undefined,
    disconnect: async () => undefined,
    subscribe: async () => undefined,
    run: async (given: { eachBatch: typeof eachBatch }) => {
      eachBatch = given.eachBatch
    },
  }
  const kafka = {
    admin: () => ({
      ...admin,
      listTopics: async () => ['orders'],
      fetchTopicOffsets: async () => [],
    }),
    consumer: () => consumer,
  }
  const open = new KafkajsConsumer(kafka as never, {
    groupId: 'totals',
    topics: ['orders'],
    from: 'earliest',
    createTopics: false,
    onStatus: () => undefined,
    onRecords: async (records) => {
      taken.push(...records.map(({ offset }) => offset))
    },
  })
  await vi.waitFor(() => expect(eachBatch).not.toBe(never))
  const batchAt = (offset: string, heartbeat: () => Promise<void>) => ({
    batch: {
      topic: 'orders',
      partition: 0,
      messages: [{ offset, value: null, headers: {} }],
      fetchedOffset: offset,
      rawMessages: [],
      lastOffset: () => offset,
    },
    heartbeat,
    isRunning: () => true,
    isStale: () => false,
    resolveOffset: () => undefined,
    commitOffsetsIfNecessary: async () => undefined,
  })
  await eachBatch(batchAt('7', async () => undefined))
  const expelled = (): Promise<void> => Promise.reject(new Error('not a member any more'))
  await expect(eachBatch(batchAt('8', expelled))).rejects.toThrow('not a member any more')
  expect(taken).toEqual(['7'])
  await open.close(1_000)
})

test('an inquiry that is never answered fails, and one whose connection never ends does not', async () => {
  const silent = expect(withAdmin({ admin: () => admin } as never, never)).rejects.toMatchObject({
    code: 'TIMED_OUT',
  })
  await vi.advanceTimersByTimeAsync(30_000)
  await silent
  const answered = withAdmin(
    { admin: () => ({ ...admin, disconnect: never }) } as never,
    async () => 'yes',
  )
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await answered).toBe('yes')
})

test('a restore that comes no further fails, and says of which partition', async () => {
  const bounds = new Map([[3, { low: 0n, high: 9n }]])
  const changelog = new Changelog({
    client: {
      bounds: async () => bounds,
      ensureTopics: async () => [],
      reader: () => ({ close: async () => undefined }),
    } as never,
    topic: 'changes',
    createTopics: true,
    inputs: ['orders'],
    stores: [],
    checkpoints: undefined,
    signal: new AbortController().signal,
    onLoaded: () => undefined,
    onDropped: () => undefined,
    onUnfit: () => undefined,
    bury: () => {
      throw new Error('nothing is buried')
    },
  })
  const restored = expect(changelog.restore(3)).rejects.toMatchObject({
    code: 'TIMED_OUT',
    partition: 3,
  })
  await vi.advanceTimersByTimeAsync(35_000)
  await restored
})

test('an intake tells how long what was read has been waiting', async () => {
  const stop = new AbortController()
  let isIdle = false
  const intake = new Intake({
    signal: stop.signal,
    take: () => [],
    hasRoom: () => true,
    isIdle: () => isIdle,
    bury: async () => undefined,
  })
  expect(intake.waitingMs).toBe(0)
  const taken = intake.take([], async () => undefined)
  await vi.advanceTimersByTimeAsync(20_000)
  expect(intake.waitingMs).toBeGreaterThanOrEqual(20_000)
  isIdle = true
  await vi.advanceTimersByTimeAsync(100)
  await taken
  expect(intake.waitingMs).toBe(0)
})

test('a rebalance waits until the engine has run what it was handed, within a bound', async () => {
  const rebalancing = () => Promise.reject(new Error('rebalancing'))
  let isIdle = false
  const intake = new Intake({
    signal: new AbortController().signal,
    take: () => [],
    hasRoom: () => true,
    isIdle: () => isIdle,
    bury: async () => undefined,
  })
  const taken = intake.take([], rebalancing)
  await vi.advanceTimersByTimeAsync(10_000)
  isIdle = true
  await vi.advanceTimersByTimeAsync(100)
  expect(await taken).toBe(0)
  isIdle = false
  const stuck = expect(intake.take([], rebalancing)).rejects.toThrow('rebalancing')
  await vi.advanceTimersByTimeAsync(35_000)
  await stuck
})

test('a late batch of a partition that went to somebody else makes no task that would disturb its owner', () => {
  const made: number[] = []
  const tasks = new Tasks((partition) => {
    made.push(partition)
    return new Task({
      partition,
      transactor: { open: never, commit: never, close: async () => undefined } as never,
      signal: new AbortController().signal,
      isExact: true,
      onTrouble: () => undefined,
    })
  })
  tasks.assigned({ orders: [0, 1] })
  tasks.of(1)
  expect(tasks.assigned({ orders: [0] })).toEqual([1])
  expect(() => tasks.of(1)).toThrow(expect.objectContaining({ code: 'FENCED', partition: 1 }))
  expect(made).toEqual([1])
  tasks.assigned({ orders: [0, 1] })
  expect(tasks.of(1).isOwned).toBe(true)
})

test('a login fails when who gives its tokens gives none', async () => {
  const { authenticationProvider } = loginOf({
    mechanism: 'oauthbearer',
    oauthBearerProvider: never,
  }) as { authenticationProvider: (args: unknown) => { authenticate(): Promise<void> } }
  const login = expect(authenticationProvider({}).authenticate()).rejects.toMatchObject({
    code: 'TIMED_OUT',
    message: expect.stringContaining('oauthbearer'),
  })
  await vi.advanceTimersByTimeAsync(10_000)
  await login
})
