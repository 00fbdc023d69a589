import type { BasketKeyOf, ChannelTypes } from '@gw/protocol'
import { useSyncExternalStore } from 'react'
import type { Typed } from './channel-types.js'
import type { ConnectionState } from './connection.js'
import type { ClientCalls } from './create-client.js'
import type { GatewayClientError } from './errors.js'
import { liveBasket, liveLast } from './live-last.js'
import { type LiveStateOptions, liveState } from './live-state.js'
import type { LiveStatus, LiveStore } from './live-store.js'
import type { ElementOf } from './projection.js'
import type { KeyedValue } from './subscription.js'

/** What a hook gives: the value, and whether it can be relied on. */
export interface Live<Value> {
  readonly value: Value
  readonly status: LiveStatus
  /** Why it failed. */
  readonly error: GatewayClientError | undefined
}

type KeyArgument<T extends ChannelTypes> = T['kind'] extends 'basket' ? [key: BasketKeyOf<T>] : []

/**
 * What ticked last on a channel, or on a key of a basket; renders again when it ticks.
 * @example `const total = useLast(client.total)`
 */
export function useLast<T extends ChannelTypes>(
  channel: Typed<T>,
  ...key: KeyArgument<T>
): T['value'] | undefined {
  return useChannel(channel, ...key).value
}

/**
 * As {@link useLast}, with the status and the error.
 * @example `const { value, status } = useChannel(client.prices, 'AAPL')`
 */
export function useChannel<T extends ChannelTypes>(
  channel: Typed<T>,
  ...key: KeyArgument<T>
): Live<T['value'] | undefined> {
  return useShared(channel, `last ${key[0] ?? ''}`, () => liveLast(channel, ...key), undefined)
}

/**
 * The records of a channel's state; see `liveState`.
 * @example `const { value: orders } = useLiveState(client.orders)`
 */
export function useLiveState<T extends ChannelTypes>(
  channel: Typed<T> & { query: unknown },
  options: LiveStateOptions<T> = {},
): Live<readonly ElementOf<T['value']>[]> {
  return useShared(
    channel,
    `state ${JSON.stringify(options)}`,
    () => liveState(channel, options),
    NONE,
  )
}

/**
 * What ticked last on each key of a basket; see `liveBasket`.
 * @example `const { value: prices } = useLiveBasket(client.prices)`
 */
export function useLiveBasket<T extends ChannelTypes & { readonly kind: 'basket' }>(
  basket: Typed<T>,
): Live<readonly KeyedValue<T['value'], BasketKeyOf<T>>[]> {
  return useShared(basket, 'basket', () => liveBasket(basket), NONE)
}

/** State of a client's connection. */
export function useConnection(client: Pick<ClientCalls, '$connection'>): ConnectionState {
  const connection = client.$connection
  return useSyncExternalStore(
    (listener) => connection.onState(listener),
    () => connection.state,
    () => 'idle' as const,
  )
}

const NONE: readonly never[] = []

/** How long a store that no component reads stays open: components come and go together when pages change. */
const LINGER_MS = 1_000

/** Stores by channel and name: components that show the same share one. */
const stores = new WeakMap<object, Map<string, SharedStore<unknown>>>()

function useShared<Value>(
  channel: object,
  name: string,
  open: () => LiveStore<Value>,
  empty: Value,
): Live<Value> {
  let ofChannel = stores.get(channel)
  if (ofChannel === undefined) {
    ofChannel = new Map()
    stores.set(channel, ofChannel)
  }
  let store = ofChannel.get(name) as SharedStore<Value> | undefined
  if (store === undefined) {
    const opened = new SharedStore(open, empty, () => {
      if (ofChannel.get(name) === opened) ofChannel.delete(name)
    })
    ofChannel.set(name, opened as SharedStore<unknown>)
    store = opened
  }
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getServerSnapshot)
}

/** A store that is open while components read it: rendering alone, which React may throw away, opens nothing. */
class SharedStore<Value> {
  readonly #open: () => LiveStore<Value>
  readonly #forget: () => void
  readonly #empty: Live<Value>
  #current: Live<Value>
  #store: LiveStore<Value> | undefined
  #readers = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(open: () => LiveStore<Value>, empty: Value, forget: () => void) {
    this.#open = open
    this.#forget = forget
    this.#empty = { value: empty, status: 'loading', error: undefined }
    this.#current = this.#empty
  }

  readonly getSnapshot = (): Live<Value> => this.#current

  readonly getServerSnapshot = (): Live<Value> => this.#empty

  readonly subscribe = (listener: () => void): (() => void) => {
    clearTimeout(this.#timer)
    this.#readers++
    this.#store ??= this.#open()
    const store = this.#store
    const end = store.subscribe((value) => {
      const { status, error } = store
      const { value: shown, status: shownStatus } = this.#current
      if (value !== shown || status !== shownStatus) this.#current = { value, status, error }
      listener()
    })
    return () => {
      end()
      this.#readers--
      if (this.#readers === 0) this.#timer = setTimeout(() => this.#close(), LINGER_MS)
    }
  }

  #close(): void {
    this.#store?.close()
    this.#store = undefined
    this.#current = this.#empty
    this.#forget()
  }
}
