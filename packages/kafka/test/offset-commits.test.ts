import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { OffsetCommits, type Taken } from '../src/offset-commits.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const EVERY_MS = 100
const at = (partition: number, offset: string): Taken => ({ topic: 'orders', partition, offset })

/** Commits that Kafka answers as the test says. */
function committing(answer: () => Promise<void> = () => Promise.resolve()) {
  const committed: (readonly Taken[])[] = []
  const kafka = { answer }
  const commits = new OffsetCommits((taken) => {
    committed.push(taken)
    return kafka.answer()
  }, EVERY_MS)
  commits.assigned({ orders: [0, 1] })
  return { commits, committed, kafka }
}

test('what was taken is committed after a while, the newest of each partition, once', async () => {
  const { commits, committed } = committing()
  for (const taken of [at(0, '1'), at(1, '5'), at(0, '2')]) commits.add(taken)
  expect(committed).toEqual([])
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  expect(committed).toEqual([[at(0, '2'), at(1, '5')]])
  commits.add(at(1, '6'))
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS)
  expect(committed.slice(1)).toEqual([[at(1, '6')]])
})

test('a flush commits at once, also while another commit is under way', async () => {
  const answers: (() => void)[] = []
  const { commits, committed } = committing(() => new Promise((resolve) => answers.push(resolve)))
  commits.add(at(0, '1'))
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  commits.add(at(0, '2'))
  // By itself it waits for the one before.
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS)
  expect(committed).toEqual([[at(0, '1')]])
  const flushed = commits.flush()
  expect(committed.slice(1)).toEqual([[at(0, '2')]])
  for (const answer of answers) answer()
  await flushed
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS)
  expect(committed).toHaveLength(2)
})

test('of partitions that went to somebody else nothing is committed, of those that stayed it is told', async () => {
  const { commits, committed } = committing()
  commits.add(at(0, '1'))
  commits.add(at(1, '5'))
  expect(commits.assigned({ orders: [1] })).toEqual([at(1, '5')])
  // A chunk of before that was still being taken.
  commits.add(at(0, '2'))
  await commits.flush()
  expect(committed).toEqual([[at(1, '5')]])
})

test('a commit that fails is tried again until it does not, with what came meanwhile', async () => {
  const { commits, committed, kafka } = committing(() => Promise.reject(new Error('away')))
  commits.add(at(0, '1'))
  await expect(commits.flush()).rejects.toThrow('away')
  commits.add(at(0, '2'))
  await vi.advanceTimersByTimeAsync(2 * EVERY_MS)
  kafka.answer = () => Promise.resolve()
  await vi.advanceTimersByTimeAsync(EVERY_MS)
  expect(committed.at(-1)).toEqual([at(0, '2')])
  const count = committed.length
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS)
  expect(committed).toHaveLength(count)
})

test('where commits fail for seconds nothing more is taken, and where nothing is left they end', async () => {
  const { commits, committed } = committing(() => Promise.reject(new Error('forbidden')))
  commits.add(at(0, '1'))
  await vi.advanceTimersByTimeAsync(6_000)
  expect(() => commits.add(at(0, '2'))).toThrow('forbidden')
  commits.assigned({})
  const count = committed.length
  await vi.advanceTimersByTimeAsync(6_000)
  expect(committed).toHaveLength(count)
})
