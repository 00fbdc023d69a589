import { randomUUID } from 'node:crypto'
import { Kafka, logLevel, type Message, Partitioners } from 'kafkajs'

/** A kafkajs that says nothing. */
function quietKafka(broker: string): Kafka {
  return new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 10 } })
}

export async function createTopic(
  broker: string,
  topic: string,
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = quietKafka(broker).admin()
  await admin.connect()
  await admin.createTopics({
    topics: [
      {
        topic,
        numPartitions: partitions,
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      },
    ],
    // kafkajs gives up where a fresh topic is not known everywhere yet.
    waitForLeaders: false,
  })
  for (;;) {
    const bounds = await admin.fetchTopicOffsets(topic).catch(() => [])
    if (bounds.length === partitions) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await admin.disconnect()
}

export async function deleteTopic(broker: string, topic: string): Promise<void> {
  const admin = quietKafka(broker).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
}

export async function produce(
  broker: string,
  topic: string,
  messages: readonly Message[],
): Promise<void> {
  const producer = quietKafka(broker).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  await producer.send({ topic, messages: [...messages] })
  await producer.disconnect()
}

export interface Committed {
  readonly partition: number
  readonly key: string | undefined
  readonly value: string
  readonly bytes: Buffer
  readonly headers: Readonly<Record<string, string>>
}

/** All that is in a topic now, without what was aborted; nothing when it does not exist. */
export async function committedRecords(broker: string, topic: string): Promise<Committed[]> {
  const kafka = quietKafka(broker)
  const admin = kafka.admin()
  await admin.connect()
  const exists = (await admin.listTopics()).includes(topic)
  const ends = exists ? await admin.fetchTopicOffsets(topic) : []
  await admin.disconnect()
  const waiting = new Set(
    ends.filter(({ low, high }) => low !== high).map(({ partition }) => partition),
  )
  const records: Committed[] = []
  if (waiting.size === 0) return records
  const reader = kafka.consumer({ groupId: randomUUID(), maxWaitTimeInMs: 100 })
  await reader.connect()
  await reader.subscribe({ topics: [topic], fromBeginning: true })
  let done: () => void = () => undefined
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const highs = new Map(ends.map(({ partition, high }) => [partition, BigInt(high)]))
  const nextOf = new Map<number, bigint>()
  const reached = (partition: number, next: bigint): void => {
    if (next < (highs.get(partition) ?? 0n)) return
    waiting.delete(partition)
    if (waiting.size === 0) done()
  }
  reader.on(reader.events.END_BATCH_PROCESS, ({ payload }) =>
    reached(payload.partition, BigInt(payload.lastOffset) + 1n),
  )
  await reader.run({
    autoCommit: false,
    eachBatch: ({ batch }) => {
      for (const { key, value, headers, offset } of batch.messages) {
        // Who joins anew begins anew, as nothing is committed.
        if (BigInt(offset) < (nextOf.get(batch.partition) ?? 0n)) continue
        nextOf.set(batch.partition, BigInt(offset) + 1n)
        records.push({
          partition: batch.partition,
          key: key?.toString(),
          value: value?.toString() ?? '',
          bytes: value ?? Buffer.alloc(0),
          headers: Object.fromEntries(
            Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)]),
          ),
        })
      }
      return Promise.resolve()
    },
  })
  await finished
  await reader.disconnect()
  return records
}

/** How many records of a topic a group has not committed. */
export async function progressOf(broker: string, groupId: string, topic: string): Promise<bigint> {
  const admin = quietKafka(broker).admin()
  await admin.connect()
  try {
    const ends = await admin.fetchTopicOffsets(topic)
    const [group] = await admin.fetchOffsets({ groupId, topics: [topic] })
    let behind = 0n
    for (const { partition, high, low } of ends) {
      const offset = group?.partitions.find((one) => one.partition === partition)?.offset ?? '-1'
      behind += BigInt(high) - (offset === '-1' ? BigInt(low) : BigInt(offset))
    }
    return behind
  } finally {
    await admin.disconnect()
  }
}
