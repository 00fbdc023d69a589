import { callSafely } from './call-safely.js'
import type { GatewayClientError } from './errors.js'

/** `loading` until everything is there for the first time, `live` then, `stale` while something is missing and asked for anew, `failed` for good. */
export type LiveStatus = 'loading' | 'live' | 'stale' | 'failed'

/**
 * A value that follows the gateway: what React's `useSyncExternalStore`, Svelte's stores and Vue's `shallowRef` expect of an
 * outside source. Its functions need no `this`.
 */
export interface LiveStore<Snapshot> extends Disposable {
  /** What is there now: the same object until something changes. */
  getSnapshot(): Snapshot
  /** Calls `listener` at once, and then after changes, once for all that happen in one turn. @returns what ends it */
  subscribe(listener: (snapshot: Snapshot) => void): () => void
  readonly status: LiveStatus
  /** Why it failed. */
  readonly error: GatewayClientError | undefined
  /** Fulfilled when it is live for the first time; rejected when it fails before. */
  readonly ready: Promise<void>
  /** Ends it; the last snapshot stays. */
  close(): void
}

/** What fills a store. */
export interface StoreFiller {
  /** Something has changed. */
  changed(): void
  setStatus(status: 'live' | 'stale'): void
  fail(error: GatewayClientError): void
}

/** A store whose snapshots are computed, when somebody looks, from what `fill` keeps up to date. */
export function liveStore<Snapshot>(
  compute: () => Snapshot,
  fill: (filler: StoreFiller) => () => void,
): LiveStore<Snapshot> {
  const listeners = new Set<{ readonly listener: (snapshot: Snapshot) => void }>()
  let status: LiveStatus = 'loading'
  let error: GatewayClientError | undefined
  let snapshot = compute()
  let isOld = false
  let isScheduled = false
  let fulfil: () => void = () => undefined
  let refuse: (error: GatewayClientError) => void = () => undefined
  const ready = new Promise<void>((resolve, reject) => {
    fulfil = resolve
    refuse = reject
  })
  ready.catch(() => undefined) // told by `status` too

  const getSnapshot = (): Snapshot => {
    if (isOld) {
      snapshot = compute()
      isOld = false
    }
    return snapshot
  }
  const tell = (): void => {
    if (isScheduled) return
    isScheduled = true
    queueMicrotask(() => {
      isScheduled = false
      for (const reader of [...listeners]) {
        if (listeners.has(reader)) callSafely(reader.listener, getSnapshot())
      }
    })
  }
  const end = fill({
    changed() {
      isOld = true
      tell()
    },
    setStatus(next) {
      if (status === next) return
      status = next
      if (next === 'live') fulfil()
      tell()
    },
    fail(cause) {
      status = 'failed'
      error = cause
      refuse(cause)
      tell()
    },
  })
  return {
    getSnapshot,
    subscribe(listener) {
      const reader = { listener } // one that listens twice is told twice
      listeners.add(reader)
      callSafely(listener, getSnapshot())
      return () => listeners.delete(reader)
    },
    get status() {
      return status
    },
    get error() {
      return error
    },
    ready,
    close: end,
    [Symbol.dispose]: end,
  }
}
