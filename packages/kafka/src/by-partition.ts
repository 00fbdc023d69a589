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
export function numbersOf(partitions: Assignment): readonly number[] {
  return [...new Set(Object.values(partitions).flat())].sort((a, b) => a - b)
}

/** Those partitions of each topic whose numbers are among `mine`. */
export function partitionsIn(partitions: Assignment, mine: readonly number[]): Assignment {
  return Object.fromEntries(
    Object.entries(partitions)
      .map(([topic, all]) => [topic, all.filter((partition) => mine.includes(partition))] as const)
      .filter(([, some]) => some.length > 0),
  )
}

/** What a member would best be given: what it had before, then what it has copies of. */
export interface Preference {
  readonly memberId: string
  readonly had: readonly number[]
  readonly copies?: readonly number[]
}

/** Spreads numbers over members, nobody more than one above another, as they prefer it where that allows it. */
export function assignFairly(
  members: readonly Preference[],
  numbers: readonly number[],
): ReadonlyMap<string, readonly number[]> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const given = new Map(sorted.map(({ memberId }) => [memberId, [] as number[]]))
  if (sorted.length === 0) return given
  const floor = Math.floor(numbers.length / sorted.length)
  // So many members may have one more than the others.
  let extra = numbers.length % sorted.length
  const left = new Set(numbers)
  const give = (memberId: string, number: number): void => {
    const mine = given.get(memberId) as number[]
    if (!left.has(number) || mine.length > floor) return
    if (mine.length === floor && extra-- <= 0) {
      extra = 0
      return
    }
    mine.push(number)
    left.delete(number)
  }
  for (const { memberId, had } of sorted) for (const number of had) give(memberId, number)
  for (const { memberId, copies = [] } of sorted) for (const one of copies) give(memberId, one)
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
