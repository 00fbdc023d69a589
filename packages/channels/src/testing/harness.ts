import {
  type Duration,
  isoOf,
  type ManualClock,
  manualClock,
  seconds,
  sink,
  type Tick,
  type Timestamp,
  timestampOf,
} from '@gw/core'
import type { AnyChannels, BasketName, ChannelName, InputOf, KeyOf, ValueOf } from '@gw/protocol'
import type { Channels } from '../channels.js'
import { ChannelsError } from '../errors.js'
import { Gateway } from '../gateway.js'
import type { GatewayOptions } from '../gateway-options.js'
import type { AnswerOf, LiveChannels } from '../live.js'
import type { Module } from '../module.js'
import { type Entry, entriesOf } from '../modules/entries.js'

/** Options of {@link startHarness}: those of a gateway, but for the clock, which the test moves. */
export interface HarnessOptions<C extends AnyChannels>
  extends Omit<GatewayOptions<C>, 'clock' | 'speed' | 'budgetMs'> {
  /**
   * Channels that the test can send to. They count as provided, so name them where the test is about wiring.
   * @defaultValue all channels
   */
  readonly sends?: readonly ChannelName<C>[]
}

/** What a test sends: what the channel takes; to a whole basket, that by key. */
export type HarnessInput<C extends AnyChannels, K extends keyof C> =
  | InputOf<C, K>
  | (K extends BasketName<C> ? { readonly [Key in KeyOf<C, K>]?: InputOf<C, K> } : never)

const START = '2020-01-01T00:00:00Z'
const ID_BASE = '0'.repeat(18)

/**
 * Starts a gateway for a test, in time that stands still until the test moves it: everything that is due has happened when a
 * call returns, and ids are the same at each run. It begins at 2020-01-01 unless `start` says otherwise.
 * @throws ChannelsError as the gateway's `start` does.
 * @example
 * ```ts
 * const harness = await startHarness({ channels, modules: [totals] })
 * harness.send('orders', { symbol: 'AAPL', quantity: 2 })
 * expectChannel(harness, 'total').toHaveLast(2)
 * harness.advance(seconds(1))
 * expectChannel(harness, 'total').not.toHaveTicked()
 * await harness.stop()
 * ```
 */
export async function startHarness<C extends AnyChannels>(
  options: HarnessOptions<C>,
): Promise<Harness<C>> {
  const { sends, modules = [], start = START, ...rest } = options
  const clock = manualClock(typeof start === 'string' ? timestampOf(start) : start)
  const record = new TickRecord()
  const gateway = new Gateway<C>({
    idBase: ID_BASE,
    ...rest,
    start,
    clock,
    budgetMs: Number.POSITIVE_INFINITY,
    modules: [...modules, harnessModule(record, sends)],
  })
  await gateway.start()
  return new Harness(gateway, clock, record)
}

/** A gateway under test: see {@link startHarness}. */
export class Harness<C extends AnyChannels> {
  readonly gateway: Gateway<C>
  readonly #clock: ManualClock
  readonly #record: TickRecord

  /** @internal */
  constructor(gateway: Gateway<C>, clock: ManualClock, record: TickRecord) {
    this.gateway = gateway
    this.#clock = clock
    this.#record = record
  }

  /** The running channels. */
  get channels(): LiveChannels<C> {
    return this.gateway.channels
  }

  get now(): Timestamp {
    return this.#clock.now()
  }

  /**
   * Sends to a channel, whether or not the contract lets the outside send; to a whole basket, by key in one cycle. What follows
   * from it has happened when this returns.
   * @throws ChannelsError `INVALID_RECORD` and others; what a module threw, when the run fails by it.
   */
  send<K extends ChannelName<C>>(name: K, input: HarnessInput<C, K>, key?: KeyOf<C, K>): void {
    const { channels } = this
    const info = channels.info.find((channel) => channel.name === name)
    this.#act(() => {
      if (info?.kind === 'basket' && key === undefined) channels.sendBasket(name, input as never)
      else channels.send(name as never, input as never, key as never)
    })
  }

  /** Lets time pass: what is due until then happens, each at its own time. @throws what a module threw, when the run fails by it. */
  delay(duration: Duration): void {
    this.delayUntil(this.now + duration)
  }

  /** Lets time pass until `time`. @throws ChannelsError `INVALID_OPTION` when that is in the past. */
  delayUntil(time: Timestamp | string): void {
    const until = typeof time === 'string' ? timestampOf(time) : time
    if (!(until >= this.now)) {
      throw new ChannelsError(
        'INVALID_OPTION',
        `it is ${isoOf(this.now)} already: time never goes back`,
      )
    }
    this.#act(() => this.#clock.advanceTo(until))
  }

  /** Forgets the ticks so far, and lets time pass. @defaultValue 1 second */
  advance(duration: Duration = seconds(1)): void {
    this.reset()
    this.delay(duration)
  }

  /** Forgets the ticks so far. */
  reset(): void {
    this.#record.clear()
  }

  /** What has ticked since the last reset, with its time; of a whole basket, what ticked in each cycle, by key; null where a key has gone. */
  ticks<K extends ChannelName<C>>(name: K): readonly Tick<AnswerOf<C, K>>[]
  ticks<K extends BasketName<C>>(name: K, key: KeyOf<C, K>): readonly Tick<ValueOf<C, K>>[]
  ticks(name: string, key?: string): readonly Tick<unknown>[] {
    const info = this.channels.info.find((channel) => channel.name === name)
    if (info === undefined) {
      throw new ChannelsError('UNKNOWN_CHANNEL', `there is no channel ${JSON.stringify(name)}`, {
        channel: name,
      })
    }
    if (key !== undefined && !info.dynamic && !info.keys.includes(key)) {
      throw new ChannelsError('UNKNOWN_KEY', `"${name}" has no key ${JSON.stringify(key)}`, {
        channel: name,
        key,
      })
    }
    return this.#record.ticks(name, key)
  }

  /** The values of {@link ticks}. */
  values<K extends ChannelName<C>>(name: K): readonly AnswerOf<C, K>[]
  values<K extends BasketName<C>>(name: K, key: KeyOf<C, K>): readonly ValueOf<C, K>[]
  values(name: string, key?: string): readonly unknown[] {
    return this.ticks(name as never, key as never).map(([, value]) => value)
  }

  /** How often each channel has ticked since the last reset; those that have not are left out. */
  get tickCounts(): { readonly [channel: string]: number } {
    return this.#record.counts()
  }

  /** Stops the gateway. */
  async stop(): Promise<void> {
    await this.gateway.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #act(action: () => void): void {
    const failure = (): unknown => this.gateway.health.error
    if (failure() !== undefined) throw failure()
    try {
      action()
    } catch (error) {
      throw failure() ?? error
    }
    if (failure() !== undefined) throw failure()
  }
}

/** Opens channels to the test, and notes what ticks on all. */
function harnessModule<C extends AnyChannels>(
  record: TickRecord,
  sends: readonly ChannelName<C>[] | undefined,
): Module<C> {
  return {
    name: 'harness',
    requires: [],
    connect(c) {
      for (const name of sends ?? c.names) c.addSendChannel(name)
      for (const name of c.names) {
        const isBasket = c.shapeOf(name).toLowerCase().endsWith('basket')
        const entries = entriesOf(c as unknown as Channels<AnyChannels>, name)
        sink(`note ${name}`, { entries }, ({ entries }, context) => () => {
          record.note(name, context.now, isBasket, entries.value)
        })
      }
    },
  }
}

/** The ticks since the last reset. */
class TickRecord {
  readonly #ticks = new Map<string, Tick<unknown>[]>()
  readonly #keyTicks = new Map<string, Map<string, Tick<unknown>[]>>()

  note(name: string, now: Timestamp, isBasket: boolean, entries: readonly Entry[]): void {
    const ticks = this.#ticks.get(name) ?? []
    this.#ticks.set(name, ticks)
    if (!isBasket) {
      ticks.push([now, entries[0]?.value])
      return
    }
    const byKey = this.#keyTicks.get(name) ?? new Map<string, Tick<unknown>[]>()
    this.#keyTicks.set(name, byKey)
    const ticked: Record<string, unknown> = {}
    for (const { key = '', value, removed } of entries) {
      ticked[key] = removed ? null : value
      const keyTicks = byKey.get(key) ?? []
      byKey.set(key, keyTicks)
      keyTicks.push([now, ticked[key]])
    }
    ticks.push([now, ticked])
  }

  ticks(name: string, key: string | undefined): readonly Tick<unknown>[] {
    const ticks = key === undefined ? this.#ticks.get(name) : this.#keyTicks.get(name)?.get(key)
    return ticks ?? []
  }

  counts(): { readonly [channel: string]: number } {
    return Object.fromEntries([...this.#ticks].map(([name, { length }]) => [name, length]))
  }

  clear(): void {
    this.#ticks.clear()
    this.#keyTicks.clear()
  }
}
