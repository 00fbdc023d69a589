import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { withAdmin } from '../src/kafkajs-admin.js'
import { KafkajsTransactor } from '../src/kafkajs-transactor.js'

// kafkajs never settles what is under way on a connection that dies while it is being closed: here it always does so.
const never = (): Promise<never> => new Promise(() => undefined)
const admin = {
  connect: async () => undefined,
  disconnect: async () => undefined,
  fetchOffsets: async () => [{ topic: 'orders', partitions: [{ partition: 0, offset: '7' }] }],
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
  expect(await again).toEqual(new Map([['orders', 7n]]))
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
    transactor.commit([{ topic: 'totals', key: 'a', value: '1' }], new Map()),
  ).rejects.toMatchObject({ code: 'TIMED_OUT' })
  await vi.advanceTimersByTimeAsync(60_000)
  await committed
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
