import { assignFairly, numbersOf, partitionsIn } from './by-partition.js'
import type { GroupMember, PartitionAssignor } from './kafka-client.js'

/** What a gateway tells the others of its cluster. */
export interface Told {
  /** Of this run of this gateway. */
  readonly id: string
  /** Where the others reach it. */
  readonly address: string
  /** Where its web server is, if it has one. */
  readonly web: string | undefined
  /** Partitions that it had, and those that it holds copies of: they are best kept there. */
  readonly owned: readonly number[]
  readonly copies: readonly number[]
}

/** A gateway of a cluster, as `/cluster` shows it. */
export interface ClusterMember {
  readonly id: string
  readonly address: string
  readonly web?: string
  /** Partitions that it works on. */
  readonly owns: readonly number[]
  /** Partitions that it holds copies of. */
  readonly standsBy: readonly number[]
}

/** Gives each partition to one member, where its state is if possible: to who had it, then to who has a copy. */
export function clusterAssignor(tell: () => Told): PartitionAssignor {
  return {
    name: 'gw-cluster',
    tell,
    assign: (members, partitions) => {
      const given = assignFairly(
        members.map(({ memberId, tells }) => {
          const told = toldIn(tells)
          return { memberId, had: told?.owned ?? [], copies: told?.copies ?? [] }
        }),
        numbersOf(partitions),
      )
      return Object.fromEntries(
        [...given].map(([memberId, mine]) => [memberId, partitionsIn(partitions, mine)]),
      )
    },
  }
}

/** The gateways of a cluster, by id; `standbys` of the others hold a copy of each partition. */
export function membersOf(
  members: readonly GroupMember[],
  standbys: number,
): readonly ClusterMember[] {
  const known = members
    .flatMap(({ tells, assignment }) => {
      const told = toldIn(tells)
      return told === undefined ? [] : [{ ...told, owns: numbersOf(assignment) }]
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const standsBy = known.map((): number[] => [])
  known.forEach(({ owns }, owner) => {
    for (const partition of owns) {
      // Spread over the others, so that a failure does not double the load of one of them.
      for (let copy = 0; copy < Math.min(standbys, known.length - 1); copy++) {
        const step = 1 + ((partition + copy) % (known.length - 1))
        standsBy[(owner + step) % known.length]?.push(partition)
      }
    }
  })
  return known.map(({ id, address, web, owns }, i) => ({
    id,
    address,
    ...(web === undefined ? {} : { web }),
    owns,
    standsBy: standsBy[i] ?? [],
  }))
}

function toldIn(tells: unknown): Told | undefined {
  const told = (tells ?? {}) as Partial<Told>
  if (typeof told.id !== 'string' || typeof told.address !== 'string') return undefined
  return {
    id: told.id,
    address: told.address,
    web: typeof told.web === 'string' ? told.web : undefined,
    owned: Array.isArray(told.owned) ? told.owned : [],
    copies: Array.isArray(told.copies) ? told.copies : [],
  }
}
