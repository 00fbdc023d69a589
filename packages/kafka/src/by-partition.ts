import type { Assignment, PartitionAssignor } from './kafka-client.js'

/**
 * Gives the partitions of one number to one member, whatever the topic, in turn: records of one key meet there when topics have
 * equally many partitions. A member that had a partition before keeps it where that is fair.
 */
export function byPartition(tell: () => { readonly owned: readonly number[] }): PartitionAssignor {
  return {
    name: 'gw-by-partition',
    tell,
    assign: (members, partitions) => {
      const numbers = numbersOf(partitions)
      const owned = assignFairly(
        members.map(({ memberId, tells }) => ({ memberId, had: ownedIn(tells) })),
        numbers,
      )
      return Object.fromEntries(
        [...owned].map(([memberId, mine]) => [memberId, partitionsIn(partitions, mine)]),
      )
    },
  }
}

/** All numbers of partitions, in order. */
function numbersOf(partitions: Assignment): readonly number[] {
  return [...new Set(Object.values(partitions).flat())].sort((a, b) => a - b)
}

/** Those partitions of each topic whose numbers are among `mine`. */
function partitionsIn(partitions: Assignment, mine: readonly number[]): Assignment {
  return Object.fromEntries(
    Object.entries(partitions)
      .map(([topic, all]) => [topic, all.filter((partition) => mine.includes(partition))] as const)
      .filter(([, some]) => some.length > 0),
  )
}

/** Spreads numbers over members, nobody more than one above another; what somebody had stays where that allows it. */
function assignFairly(
  members: readonly { readonly memberId: string; readonly had: readonly number[] }[],
  numbers: readonly number[],
): ReadonlyMap<string, readonly number[]> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const given = new Map(sorted.map(({ memberId }) => [memberId, [] as number[]]))
  if (sorted.length === 0) return given
  const floor = Math.floor(numbers.length / sorted.length)
  // So many members may have one more than the others.
  let extra = numbers.length % sorted.length
  const left = new Set(numbers)
  for (const { memberId, had } of sorted) {
    const mine = given.get(memberId) as number[]
    for (const number of had) {
      if (!left.has(number) || mine.length > floor) continue
      if (mine.length === floor) {
        if (extra === 0) continue
        extra--
      }
      mine.push(number)
      left.delete(number)
    }
  }
  for (const number of left) {
    const [, poorest] = [...given].reduce((a, b) => (b[1].length < a[1].length ? b : a))
    poorest.push(number)
  }
  return given
}

function ownedIn(tells: unknown): readonly number[] {
  const { owned } = (tells ?? {}) as { readonly owned?: unknown }
  return Array.isArray(owned) ? owned.filter((one): one is number => Number.isInteger(one)) : []
}
