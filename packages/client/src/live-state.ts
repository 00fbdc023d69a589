import type { AliasOf, ChannelTypes, Position } from '@gw/protocol'
import { backoffMs } from './backoff.js'
import type { UntypedChannelClient } from './channel-client.js'
import type { Typed } from './channel-types.js'
import { GatewayClientError } from './errors.js'
import type { SubscriptionEvent } from './events.js'
import { type LiveStore, liveStore, type StoreFiller } from './live-store.js'
import type { ElementOf, PathOf } from './projection.js'
import { isPassing } from './rest.js'

export { liveBasket, liveLast } from './live-last.js'
export type { LiveStatus, LiveStore } from './live-store.js'

/** A client's channel with types `T`. */
export type TypedChannel<T extends ChannelTypes> = Typed<T>

/** Options of {@link liveState}. */
export interface LiveStateOptions<T extends ChannelTypes> {
  /** Name of the state. @defaultValue that of the channel */
  readonly state?: AliasOf<T>
  /** Paths that make the key of the state. @defaultValue as the server says */
  readonly by?: readonly PathOf<T['value']>[]
}

interface WaitingTick {
  readonly value: unknown
  readonly position: Position | undefined
}

/** Ticks that may wait while the state is loaded; one more, and it is loaded anew. */
const MAX_WAITING = 10_000

/**
 * A local copy of a channel's state that is always current: the newest record of each key, in the order of the keys. It is
 * loaded once, follows the ticks from there on without gap or overlap, and is loaded again when ticks are missing.
 * @example
 * ```ts
 * const orders = liveState(client.orders)
 * orders.subscribe((records) => render(records))
 * ```
 */
export function liveState<T extends ChannelTypes>(
  channel: TypedChannel<T> & { query: unknown },
  options: LiveStateOptions<T> = {},
): LiveStore<readonly ElementOf<T['value']>[]> {
  const records = new KeyedRecords()
  const store = liveStore<readonly unknown[]>(
    () => records.sorted(),
    (filler) => fillState(channel as unknown as UntypedChannelClient, options, records, filler),
  )
  return store as LiveStore<readonly ElementOf<T['value']>[]>
}

function fillState(
  channel: UntypedChannelClient,
  options: { readonly state?: string; readonly by?: readonly string[] },
  records: KeyedRecords,
  filler: StoreFiller,
): () => void {
  const { state } = options
  const ended = new AbortController()
  const first: WaitingTick[] = []
  /** Ticks that came while the state is loaded; `undefined` when it is there. */
  let waiting: WaitingTick[] | undefined = first

  /** Loads the state, and then takes in the ticks that `own` has gathered meanwhile. */
  const load = async (own: WaitingTick[]): Promise<void> => {
    waiting = own
    for (let failures = 0; waiting === own; failures++) {
      try {
        const { signal } = ended
        const at = await channel.stateAt(state === undefined ? { signal } : { state, signal })
        if (waiting !== own) return
        records.reset(options.by ?? at.by ?? noKey(), at.records)
        for (const { value, position } of own) {
          if (!isCovered(position, at.position)) records.put(value)
        }
        waiting = undefined
        filler.changed()
        filler.setStatus('live')
      } catch (error) {
        if (waiting !== own || ended.signal.aborted) return
        if (!(error instanceof GatewayClientError) || !isPassing(error)) return fail(error)
        await new Promise((resolve) => setTimeout(resolve, backoffMs(failures)))
      }
    }
  }
  const fail = (error: unknown): void => {
    close()
    filler.fail(error as GatewayClientError)
  }
  const onEvent = (event: SubscriptionEvent): void => {
    if (event.type === 'gap') {
      filler.setStatus('stale')
      void load([])
    } else if (event.type === 'data') {
      if (waiting === undefined) {
        records.put(event.value)
        filler.changed()
      } else if (waiting.length < MAX_WAITING) {
        waiting.push({ value: event.value, position: event.position })
      } else {
        void load([])
      }
    }
  }
  const watch = channel.watch(onEvent, { onError: fail })
  const close = (): void => {
    waiting = undefined
    ended.abort()
    watch.close()
  }
  watch.ready.then(
    () => load(first),
    () => undefined,
  ) // a refusal comes to `fail`
  return close
}

/** Whether what was loaded at `loaded` holds the tick at `position` already. */
function isCovered(position: Position | undefined, loaded: Position | undefined): boolean {
  return position?.epoch === loaded?.epoch && (position?.offset ?? 0) <= (loaded?.offset ?? 0)
}

function noKey(): never {
  throw new GatewayClientError(
    'INVALID_ANSWER',
    'the server does not say what makes the key of the state: name it, as in liveState(channel, { by: ["symbol"] })',
  )
}

interface Entry {
  readonly key: readonly unknown[]
  record: unknown
}

/** Records by the values at some of their paths. */
class KeyedRecords {
  #paths: readonly (readonly string[])[] = []
  #entries = new Map<string, Entry>()
  #isSorted = true

  reset(by: readonly string[], records: readonly unknown[]): void {
    this.#paths = by.map((path) => path.split('.'))
    this.#entries.clear()
    this.put(records)
  }

  /** Takes a record, or the records of a list. */
  put(value: unknown): void {
    for (const record of Array.isArray(value) ? value : [value]) {
      const key = this.#paths.map((path) => at(record, path))
      const name = JSON.stringify(key)
      const entry = this.#entries.get(name)
      if (entry !== undefined) entry.record = record
      else {
        this.#entries.set(name, { key, record })
        this.#isSorted = false
      }
    }
  }

  /** The records in the order of their keys. */
  sorted(): readonly unknown[] {
    if (!this.#isSorted) {
      const entries = [...this.#entries].sort(([, a], [, b]) => compareKeys(a.key, b.key))
      this.#entries = new Map(entries)
      this.#isSorted = true
    }
    return Array.from(this.#entries.values(), ({ record }) => record)
  }
}

function at(record: unknown, path: readonly string[]): unknown {
  let value = record
  for (const step of path) value = (value as Record<string, unknown> | null | undefined)?.[step]
  return value
}

function compareKeys(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compare(a[i] ?? null, b[i] ?? null)
    if (order !== 0) return order
  }
  return 0
}

/** As the server sorts: null before everything, numbers by value, texts by code unit. */
function compare(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (a === null) return -1
  if (b === null) return 1
  return (a as string) < (b as string) ? -1 : 1
}
