import { type LiveChannels, planQuery, type RecordFilter, type StateInfo } from '@gw/channels'
import { type AnyChannels, QUERY_LIMITS, type Query, type SortKey } from '@gw/protocol'
import type { ClusterCalls } from './cluster-calls.js'
import { attributeOf } from './publisher.js'

/** Records as a gateway has them, and of a basket the key where each is. */
interface Records {
  readonly records: readonly unknown[]
  readonly keys?: readonly (string | null)[]
}

/** A record of an id, and where it is. */
interface Found {
  readonly record: unknown
  readonly channel: string
  readonly key?: string
}

export interface SharedQueriesOptions {
  readonly channels: LiveChannels<AnyChannels>
  readonly calls: ClusterCalls
  /** Whether the ticks of a channel happen on all gateways. */
  readonly isShared: (channel: string) => boolean
  /** By channel, the attribute that says to whom a record belongs. */
  readonly by: Readonly<Record<string, string | undefined>>
}

/** Queries of states, and look-ups, of all gateways as one would answer them. */
export class SharedQueries {
  readonly #options: SharedQueriesOptions

  constructor(options: SharedQueriesOptions) {
    this.#options = options
  }

  /** What this gateway answers to another that asks. */
  readonly answers: Readonly<
    Record<'query' | 'count' | 'stateRevision' | 'lookup', (question: never) => unknown>
  > = {
    query: ({ state, query, withKeys }: { state: string; query: Query; withKeys: boolean }) =>
      this.#recordsHere(state, query, withKeys),
    count: ({ state, query }: { state: string; query: Query }) =>
      this.#options.channels.count(state as never, query),
    stateRevision: ({ state }: { state: string }) => this.#options.channels.stateRevision(state),
    lookup: ({ id, channel }: { id: string; channel?: string }) => this.#foundHere(id, channel),
  }

  async query(
    state: string,
    query: Query = {},
    isVisible?: RecordFilter,
  ): Promise<readonly unknown[]> {
    const { channels } = this.#options
    const info = this.#sharedState(state)
    if (info === undefined) return channels.query(state as never, query, isVisible)
    const schema = channels.info.find(({ name }) => name === info.channel)?.recordSchema
    if (schema === undefined) return channels.query(state as never, query, isVisible)
    const { offset: _offset, select: _select, limit: _limit, sort = [], ...rest } = query
    // Records that are equal by what is sorted by come in the order of their keys, wherever they are.
    const paths = [sort, info.by].flat() as SortKey[]
    const plan = planQuery({ ...query, sort: paths }, schema)
    // Each answers all that can be in the whole answer; what is shown of it is chosen when it is together.
    const end = plan.offset + plan.limit
    const isCut = isVisible === undefined && end <= QUERY_LIMITS.limit
    const asked: Query = { ...rest, sort: paths, ...(isCut ? { limit: end } : {}) }
    const merged = await this.#merged(info, asked, isVisible)
    if (plan.compare !== undefined) merged.sort(plan.compare)
    const page = merged.slice(plan.offset, plan.offset + plan.limit)
    return plan.project === undefined ? page : page.map(plan.project)
  }

  async count(state: string, query: Query = {}, isVisible?: RecordFilter): Promise<number> {
    const { channels, calls } = this.#options
    const info = this.#sharedState(state)
    if (info === undefined) return channels.count(state as never, query, isVisible)
    const { where } = query
    const asked: Query = where === undefined ? {} : { where }
    if (isVisible !== undefined || this.#mayBeAtSeveral(info)) {
      return (await this.#merged(info, asked, isVisible)).length
    }
    const parts = await calls.everywhere('count', { state, query: asked }, () =>
      channels.count(state as never, asked),
    )
    return parts.reduce((sum, { answer }) => sum + answer, 0)
  }

  async stateRevision(state: string): Promise<string> {
    const { channels, calls } = this.#options
    if (this.#sharedState(state) === undefined) return channels.stateRevision(state)
    const parts = await calls.everywhere('stateRevision', { state }, () =>
      channels.stateRevision(state),
    )
    const texts = parts.map(({ id, answer }) => `${id} ${answer}`)
    return texts.sort().join()
  }

  /** The newest record of an id, by its time where it has one. */
  async lookup(id: string, channel?: string, isVisible?: RecordFilter): Promise<unknown> {
    const { channels, calls } = this.#options
    const here = channels.lookup(id, channel, isVisible)
    if (here !== undefined) return here
    const parts = await calls.everywhere('lookup', { id, channel }, () =>
      this.#foundHere(id, channel),
    )
    return parts
      .flatMap(({ answer }) => answer)
      .filter((found) => isVisible?.(found.record, found.channel, found.key) !== false)
      .reduce<Found | undefined>((a, b) => (a === undefined || isNewer(b, a) ? b : a), undefined)
      ?.record
  }

  /** What all have that matches, of each key from one gateway only: the one that has the newest. */
  async #merged(
    { name: state, channel, by }: StateInfo,
    query: Query,
    isVisible: RecordFilter | undefined,
  ): Promise<unknown[]> {
    const { calls } = this.#options
    const withKeys = isVisible !== undefined
    const parts = await calls.everywhere('query', { state, query, withKeys }, () =>
      this.#recordsHere(state, query, withKeys),
    )
    const keyed = parts.map(({ answer: { records, keys } }) =>
      records.flatMap((record, i) => {
        if (isVisible?.(record, channel, keys?.[i] ?? undefined) === false) return []
        return { record, key: JSON.stringify(by.map((path) => attributeOf(record, path) ?? null)) }
      }),
    )
    const whose = new Map<string, { readonly part: number; readonly time: string }>()
    keyed.forEach((records, part) => {
      for (const { record, key } of records) {
        const time = timeOf(record)
        const other = whose.get(key)
        if (other === undefined || time > other.time) whose.set(key, { part, time })
      }
    })
    return keyed.flatMap((records, part) =>
      records.flatMap(({ record, key }) => (whose.get(key)?.part === part ? [record] : [])),
    )
  }

  #recordsHere(state: string, query: Query, withKeys: boolean): Records {
    const { channels } = this.#options
    const keyOf = new Map<unknown, string | null>()
    const note: RecordFilter = (record, _channel, key) => {
      if (key !== undefined) keyOf.set(record, key)
      return true
    }
    const records = channels.query(state as never, query, withKeys ? note : undefined)
    if (keyOf.size === 0) return { records }
    return { records, keys: records.map((record) => keyOf.get(record) ?? null) }
  }

  #foundHere(id: string, channel: string | undefined): readonly Found[] {
    const found: Found[] = []
    // Says no to each, so that all of them come by.
    this.#options.channels.lookup(id, channel, (record, where, key) => {
      found.push({ record, channel: where, ...(key === undefined ? {} : { key }) })
      return false
    })
    return found
  }

  /** Whether several gateways may have a record of one key. */
  #mayBeAtSeveral({ channel, by: state }: StateInfo): boolean {
    const { channels, by } = this.#options
    const owner = by[channel]
    if (owner !== undefined) return !state.includes(owner) && !state.includes('id')
    return channels.info.find(({ name }) => name === channel)?.sendable === true
  }

  #sharedState(state: string): StateInfo | undefined {
    const info = this.#options.channels.states.find(({ name }) => name === state)
    return info !== undefined && this.#options.isShared(info.channel) ? info : undefined
  }
}

function isNewer(a: Found, b: Found): boolean {
  return timeOf(a.record) > timeOf(b.record)
}

function timeOf(record: unknown): string {
  const { timestamp } = record as { readonly timestamp?: unknown }
  return typeof timestamp === 'string' ? timestamp : ''
}
