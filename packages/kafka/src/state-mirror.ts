import type { ChannelTick, LiveChannels, StateInfo } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import { KeyedStore } from './store.js'

/** A state of a channel as a store, so that it goes to the changelog; what comes from there goes into the state. */
export class StateMirror {
  readonly store: KeyedStore
  readonly #channels: LiveChannels<AnyChannels>
  readonly #state: StateInfo
  readonly #paths: readonly (readonly string[])[]
  readonly #watch: { stop(): void }

  constructor(channels: LiveChannels<AnyChannels>, state: StateInfo) {
    this.#channels = channels
    this.#state = state
    this.#paths = state.by.map((path) => path.split('.'))
    this.store = new KeyedStore(`state ${state.name}`)
    this.#watch = channels.watch(state.channel, undefined, (tick) => this.#take(tick))
  }

  /** Has the state show what the store holds of a partition. */
  restore(partition: number): void {
    this.#channels.restoreState(this.#state.name, this.store.valuesOf(partition))
  }

  forget(keys: readonly string[]): void {
    this.#channels.forgetState(
      this.#state.name,
      keys.map((key) => JSON.parse(key) as unknown[]),
    )
  }

  stop(): void {
    this.#watch.stop()
  }

  #take({ value, removed }: ChannelTick): void {
    if (removed) return
    for (const record of Array.isArray(value) ? (value as unknown[]) : [value]) {
      this.store.set(this.#keyOf(record), record)
    }
  }

  #keyOf(record: unknown): string {
    return JSON.stringify(
      this.#paths.map((path) => {
        let value = record
        for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name]
        return value ?? null
      }),
    )
  }
}
