import { expect, test } from 'vitest'
import { KafkajsConsumer } from '../src/kafkajs-consumer.js'
import { KafkajsReader } from '../src/kafkajs-reader.js'

/** A kafkajs whose consumers join although they were disconnected before, if they are told to run; a step waits for `goOn`. */
function slowKafka(slow: 'ask' | 'connect' | 'subscribe' | 'run') {
  const calls: string[] = []
  let goOn: () => void = () => undefined
  let reached: () => void = () => undefined
  const isThere = new Promise<void>((resolve) => {
    reached = resolve
  })
  let hasWaited = false
  const step = async (name: string): Promise<void> => {
    if (name !== slow || hasWaited) return
    hasWaited = true
    reached()
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
  }
  const consumer = {
    events: {},
    on: () => undefined,
    connect: () => step('connect'),
    subscribe: () => step('subscribe'),
    run: async () => {
      await step('run')
      calls.push('joined')
    },
    pause: () => undefined,
    seek: () => undefined,
    disconnect: async () => {
      calls.push('disconnected')
    },
  }
  const admin = {
    connect: () => step('ask'),
    disconnect: async () => undefined,
    listTopics: async () => ['orders'],
    fetchOffsets: async () => [],
  }
  const kafka = { admin: () => admin, consumer: () => consumer } as never
  return { kafka, calls, isThere, goOn: () => goOn() }
}

/** Whether somebody who joined was disconnected afterwards, or nobody joined. */
const isOut = (calls: readonly string[]): boolean =>
  calls.lastIndexOf('joined') < calls.lastIndexOf('disconnected') || !calls.includes('joined')

const settled = () => new Promise((resolve) => setImmediate(resolve))

test.each(['ask', 'connect', 'subscribe', 'run'] as const)(
  'a consumer that is closed while it does the step "%s" is not in its group',
  async (slow) => {
    const { kafka, calls, isThere, goOn } = slowKafka(slow)
    const consumer = new KafkajsConsumer(kafka, {
      groupId: 'g',
      topics: ['orders'],
      from: 'earliest',
      createTopics: false,
      onStatus: () => undefined,
      onRecords: async () => undefined,
    })
    await isThere
    const closed = consumer.close(1_000)
    goOn()
    await closed
    await settled()
    expect(isOut(calls)).toBe(true)
  },
)

test.each(['connect', 'subscribe', 'run'] as const)(
  'a reader that is closed while it does the step "%s" reads no more',
  async (slow) => {
    const { kafka, calls, isThere, goOn } = slowKafka(slow)
    const reader = new KafkajsReader(kafka, {
      from: new Map([['orders', new Map([[0, 0n]])]]),
      onRecords: () => undefined,
    })
    await isThere
    await reader.close()
    goOn()
    await settled()
    expect(isOut(calls)).toBe(true)
  },
)
