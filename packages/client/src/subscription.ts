import type { DeliveryMode, From, Path, Where } from '@gw/protocol'
import { type BufferOptions, type EventBuffer, eventBuffer } from './buffer.js'
import { callSafely } from './call-safely.js'
import type { ClientConnection } from './connection.js'
import { type CallOptions, watchDeadline } from './deadline.js'
import { GatewayClientError, type RequestInfo } from './errors.js'
import type { SubscriptionEvent } from './events.js'
import type { SubscriptionSink } from './wire-subscription.js'

/** Options of what is read: of {@link Subscription} and {@link Watch} alike. */
export interface WatchOptions<
  T,
  Select extends Path<T> = never,
  Mode extends DeliveryMode = 'nonCollapsing',
> {
  /** Where to start. @defaultValue 'now' */
  readonly from?: From
  /** Only records that match. */
  readonly where?: Where<T>
  /** Only these paths of a record. */
  readonly select?: readonly Select[]
  /**
   * What becomes of ticks for which this reader, or the way to it, is too slow: `nonCollapsing` keeps each one, as far as the
   * buffers reach; `lastValue` keeps the newest, of a basket for each key; `burst` brings all that have gathered as one list.
   * @defaultValue 'nonCollapsing'
   */
  readonly mode?: Mode
  /** Ends it with `ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Ends it with `TIMEOUT` when the server does not have it running by then. @defaultValue it waits for the server to come */
  readonly timeoutMs?: number | undefined
}

/** Options of a {@link Subscription}. */
export interface SubscribeOptions<
  T,
  Select extends Path<T> = never,
  Mode extends DeliveryMode = 'nonCollapsing',
> extends WatchOptions<T, Select, Mode>,
    BufferOptions {}

/** A record of a whole basket, with its key. */
export interface KeyedValue<T, Key extends string = string> {
  readonly key: Key
  readonly value: T
}

/**
 * Ticks of a channel, to be read with `for await`; leaving the loop unsubscribes. It runs from the moment it is made, so what
 * ticks before the loop begins waits in its buffer. It outlives the connection: after a loss it goes on where it was, and
 * where that is impossible `events` shows a gap.
 */
export interface Subscription<Item, T = Item, Key extends string = never>
  extends AsyncIterable<Item, undefined, undefined>,
    AsyncDisposable {
  /** Fulfilled when the server has it running. Rejected as the iteration is. */
  readonly ready: Promise<void>
  /** Gaps that the reader has come by: places where ticks are missing. */
  readonly gaps: number
  /** Everything, in place of the ticks alone: gaps, removed keys, the end of a snapshot. */
  events(): AsyncIterableIterator<SubscriptionEvent<T, Key>, undefined, undefined>
  /** Ends it; a loop that waits ends. */
  close(): void
}

/** A running callback. */
export interface Watch extends Disposable {
  /** Fulfilled when the server has it running. */
  readonly ready: Promise<void>
  /** Ends it. */
  close(): void
}

/** A subscription that can be begun, for a sink. */
export interface Beginning {
  readonly request: RequestInfo
  /** What it runs over. */
  readonly connection: ClientConnection
  /** @returns what ends it */
  begin(sink: SubscriptionSink): () => void
}

/** A subscription that is read as an iterable; of a whole basket, with the keys that the server names. */
export function readSubscription(
  beginning: Beginning,
  options: BufferOptions & CallOptions & { readonly mode?: DeliveryMode },
  ofKey: string | undefined,
): Subscription<unknown, unknown, string> {
  const buffer = eventBuffer(options)
  let gaps = 0
  const run = start(beginning, options, buffer.push, buffer.end)
  const close = (): undefined => {
    buffer.clear()
    run.close()
  }

  const next: EventBuffer['next'] = async () => {
    const result = await buffer.next()
    if (result.value?.type === 'gap') gaps++
    return result
  }

  function iterate<Item>(
    next: () => Promise<IteratorResult<Item, undefined>>,
  ): AsyncIterableIterator<Item, undefined, undefined> {
    return {
      next,
      return: async () => ({ done: true, value: close() }),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  return {
    ready: run.ready,
    get gaps() {
      return gaps
    },
    events: () => iterate(next),
    [Symbol.asyncIterator]: () =>
      iterate(async () => {
        for (;;) {
          const result = await next()
          if (result.done) return result
          const event = result.value
          if (event.type === 'data') {
            const { key, value } = event
            const isWhole = key !== undefined && ofKey === undefined
            return { done: false, value: isWhole ? { key, value } : value }
          }
        }
      }),
    close,
    [Symbol.asyncDispose]: async () => close(),
  }
}

/** A subscription that calls back, at once and in order. */
export function watchSubscription(
  beginning: Beginning,
  listener: (event: SubscriptionEvent) => void,
  options: CallOptions & { readonly onError?: (error: GatewayClientError) => void },
): Watch {
  const onEvent = (event: SubscriptionEvent): void => callSafely(listener, event)
  const run = start(beginning, options, onEvent, (error) => {
    if (error !== undefined) options.onError?.(error)
  })
  return { ready: run.ready, close: run.close, [Symbol.dispose]: run.close }
}

interface Run {
  readonly ready: Promise<void>
  close(): void
}

function start(
  { begin, request, connection }: Beginning,
  { signal, timeoutMs }: CallOptions,
  onEvent: (event: SubscriptionEvent) => void,
  onEnd: (error: GatewayClientError | undefined) => void,
): Run {
  let fulfil: () => void = () => undefined
  let refuse: (error: GatewayClientError) => void = () => undefined
  const ready = new Promise<void>((resolve, reject) => {
    fulfil = resolve
    refuse = reject
  })
  ready.catch(() => undefined) // who does not look here is told by the iteration, or by onError

  let leave: () => void = () => undefined
  let releaseTime = leave
  let releaseSignal = leave
  let over = false
  const end = (error: GatewayClientError): void => {
    if (over) return
    over = true
    releaseTime()
    releaseSignal()
    leave()
    refuse(error)
    onEnd(error.code === 'CLOSED' ? undefined : error)
  }
  const onReady = (): void => {
    releaseTime()
    fulfil()
  }
  leave = begin({ onReady, onEvent, onError: end })
  releaseTime = watchDeadline({ timeoutMs }, request, end, connection)
  releaseSignal = watchDeadline({ signal }, request, end)
  return {
    ready,
    close: () => end(new GatewayClientError('CLOSED', 'the subscription was closed', { request })),
  }
}
