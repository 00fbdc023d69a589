import { AssignerProtocol, type PartitionAssigner } from 'kafkajs'
import type { Assignment, GroupMember, PartitionAssignor } from './kafka-client.js'

const { MemberAssignment, MemberMetadata } = AssignerProtocol

/** A partition assigner of kafkajs that asks ours. What a member tells travels as JSON in its metadata. */
export function kafkajsAssigner(assignor: PartitionAssignor): PartitionAssigner {
  return ({ cluster }) => ({
    name: assignor.name,
    version: 0,
    protocol: ({ topics }) => ({
      name: assignor.name,
      metadata: MemberMetadata.encode({
        version: 0,
        topics,
        userData: Buffer.from(JSON.stringify(assignor.tell() ?? null)),
      }),
    }),
    assign: async ({ members, topics }) => {
      const partitions = Object.fromEntries(
        topics.map((topic) => [
          topic,
          cluster
            .findTopicPartitionMetadata(topic)
            .map(({ partitionId }) => partitionId)
            .sort((a, b) => a - b),
        ]),
      )
      const told = members.map(({ memberId, memberMetadata }) => ({
        memberId,
        tells: toldIn(memberMetadata),
      }))
      const given = assignor.assign(told, partitions)
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version: 0,
          assignment: copyOf(given[memberId] ?? {}),
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })
}

/** A member as the broker describes it. */
export function memberOf(described: {
  readonly memberId: string
  readonly memberMetadata: Buffer
  readonly memberAssignment: Buffer
}): GroupMember {
  const { memberId, memberMetadata, memberAssignment } = described
  return {
    memberId,
    tells: memberMetadata.length === 0 ? undefined : toldIn(memberMetadata),
    assignment:
      memberAssignment.length === 0
        ? {}
        : (MemberAssignment.decode(memberAssignment)?.assignment ?? {}),
  }
}

function toldIn(metadata: Buffer): unknown {
  const { userData } = MemberMetadata.decode(metadata) ?? {}
  if (userData === undefined || userData === null || userData.length === 0) return undefined
  try {
    return JSON.parse(userData.toString()) as unknown
  } catch {
    return undefined
  }
}

function copyOf(assignment: Assignment): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(assignment).map(([topic, partitions]) => [topic, [...partitions]]),
  )
}
