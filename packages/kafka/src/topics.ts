import type { ITopicConfig, Kafka } from 'kafkajs'

/** Makes the topics that do not exist, as the broker's defaults have them. @returns those that do not exist after all. */
export async function ensureTopics(
  kafka: Kafka,
  topics: readonly string[],
  create: boolean,
): Promise<readonly string[]> {
  const admin = kafka.admin()
  await admin.connect()
  try {
    const existing = new Set(await admin.listTopics())
    const missing = topics.filter((topic) => !existing.has(topic))
    if (missing.length === 0 || !create) return missing
    await admin.createTopics({
      topics: missing.map((topic): ITopicConfig => ({ topic })),
      waitForLeaders: true,
    })
    return []
  } finally {
    await admin.disconnect()
  }
}
