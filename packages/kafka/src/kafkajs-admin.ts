import type { Admin, Kafka } from 'kafkajs'

/** Does something with an admin connection of its own, and closes it. */
export async function withAdmin<T>(kafka: Kafka, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** How to make a topic; what is left out is as the broker has it. */
export interface NewTopic {
  readonly topic: string
  readonly partitions?: number
  readonly settings?: Readonly<Record<string, string>>
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
