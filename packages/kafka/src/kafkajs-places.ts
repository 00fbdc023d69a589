import type { Kafka } from 'kafkajs'
import { withAdmin } from './kafkajs-admin.js'

/** How far a group has come on a partition, -1 when nowhere, and where it ends. */
export interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly high: bigint
}

/** How far a group has come, and where there is no more. */
export function placesOf(
  kafka: Kafka,
  groupId: string,
  topics: readonly string[],
): Promise<readonly Place[]> {
  return withAdmin(kafka, async (admin) => {
    const places: Place[] = []
    for (const { topic, partitions } of await admin.fetchOffsets({
      groupId,
      topics: [...topics],
    })) {
      const bounds = await admin.fetchTopicOffsets(topic)
      for (const { partition, offset } of partitions) {
        const bound = bounds.find((one) => one.partition === partition)
        if (bound === undefined) continue
        places.push({ topic, partition, offset, high: BigInt(bound.high) })
      }
    }
    return places
  })
}
