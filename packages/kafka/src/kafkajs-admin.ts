import type { Admin, Kafka } from 'kafkajs'
import { bounded, within } from './backoff.js'
import type { KafkaError } from './errors.js'
import type { Bounds, NewTopic } from './kafka-client.js'
import { isMissing, isOfTopic, topicFailure } from './kafkajs-records.js'

/** `ConfigResourceTypes.TOPIC`: Node finds no such name in kafkajs, which is CommonJS. */
const TOPIC = 2
const TRIES = 5
/** kafkajs never settles what is under way on a connection that dies while it is being closed. */
const ANSWER_MS = 30_000
const DISCONNECT_MS = 5_000

/**
 * Does something with an admin connection of its own, and closes it. What the broker says will pass, such as a partition that
 * has no leader yet, is tried again with fresh metadata, which kafkajs does not do by itself.
 */
export async function withAdmin<T>(kafka: Kafka, use: (admin: Admin) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await once(kafka, use)
    } catch (error) {
      const { retriable } = error as { readonly retriable?: unknown }
      if (retriable !== true || tries === TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** tries))
    }
  }
}

async function once<T>(kafka: Kafka, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin()
  const work = async (): Promise<T> => {
    await admin.connect()
    return use(admin)
  }
  try {
    return await bounded(work(), ANSWER_MS, 'an inquiry of the broker')
  } finally {
    await within(
      admin.disconnect().catch(() => undefined),
      DISCONNECT_MS,
    )
  }
}

/** Makes the topics that do not exist. @returns those that do not exist after all. */
export function ensureTopics(
  kafka: Kafka,
  topics: readonly NewTopic[],
  create: boolean,
): Promise<readonly string[]> {
  return withAdmin(kafka, async (admin) => {
    const existing = new Set(await admin.listTopics())
    const missing = topics.filter(({ topic }) => !existing.has(topic))
    if (missing.length === 0 || !create) return missing.map(({ topic }) => topic)
    await admin.createTopics({
      topics: missing.map(({ topic, partitions, settings = {} }) => ({
        topic,
        ...(partitions === undefined ? {} : { numPartitions: partitions }),
        configEntries: Object.entries(settings).map(([name, value]) => ({ name, value })),
      })),
      waitForLeaders: true,
    })
    return []
  })
}

/**
 * Makes a topic that a producer found missing, where that is wanted: not every broker makes it by itself.
 * @returns what is still wrong with the topic; `undefined` when it is to be tried again.
 */
export async function mendTopic(
  kafka: Kafka,
  topic: string,
  error: unknown,
  create: boolean,
): Promise<KafkaError | undefined> {
  if (!create || !isMissing(error)) return topicFailure(topic, error)
  try {
    await ensureTopics(kafka, [{ topic }], true)
    return undefined
  } catch (failure) {
    return topicFailure(topic, failure)
  }
}

/** The settings of a topic; none where they may not be known. */
export async function settingsOf(
  kafka: Kafka,
  topic: string,
): Promise<ReadonlyMap<string, string>> {
  try {
    return await withAdmin(kafka, async (admin) => {
      const { resources } = await admin.describeConfigs({
        resources: [{ type: TOPIC, name: topic }],
        includeSynonyms: false,
      })
      const entries = resources[0]?.configEntries ?? []
      return new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
    })
  } catch (error) {
    if (isOfTopic(error)) return new Map()
    throw error
  }
}

export function boundsOf(kafka: Kafka, topic: string): Promise<ReadonlyMap<number, Bounds>> {
  return withAdmin(kafka, async (admin) => {
    const offsets = await admin.fetchTopicOffsets(topic)
    return new Map(
      offsets.map(({ partition, low, high }) => [
        partition,
        { low: BigInt(low), high: BigInt(high) },
      ]),
    )
  })
}

export function offsetsAt(
  kafka: Kafka,
  topic: string,
  timeMs: number,
): Promise<ReadonlyMap<number, bigint>> {
  return withAdmin(kafka, async (admin) => {
    const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, timeMs)
    return new Map(offsets.map(({ partition, offset }) => [partition, BigInt(offset)]))
  })
}
