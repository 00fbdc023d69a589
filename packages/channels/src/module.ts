import type { Timestamp } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { Channels } from './channels.js'
import type { Contract, StateOptions } from './contract.js'
import type { LiveGateway } from './live.js'
import type { SharedChannels } from './shared-channels.js'

/** A figure that a module tells of itself, in the terms of Prometheus. */
export interface ModuleMetric {
  /** Of letters, digits and `_`; those of several modules, or with several labels, may have the same. */
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  /** Of one name, all have the same. The name of the module comes on top, as `module`. */
  readonly labels?: { readonly [label: string]: string }
  /** The figure now; cheap, and never throws. */
  value(): number
}

/** What a failing node of a module does to the gateway. */
export type ErrorPolicy = 'stop' | 'skip' | 'deadLetter'

/**
 * A part of a gateway: it gets and sets channels by name and knows no other module. A module that is written against a part
 * of a contract works in every gateway whose contract has that part.
 * Any object of this shape is a module; {@link defineModule} makes one of a function.
 */
export interface Module<in C extends AnyChannels = AnyChannels> {
  readonly name: string
  /** A disabled module is not connected, asked nor started. @defaultValue true */
  readonly enabled?: boolean
  /** Wires the module: called once a run, before it, in the order of the modules; the order does not matter otherwise. */
  connect?(channels: Channels<C>): void
  /**
   * Opens what the module serves: called in order, when the engine runs; not in simulation. Within a bound: the signal is
   * aborted when the time is over.
   */
  start?(gateway: LiveGateway<C>, signal: AbortSignal): void | Promise<void>
  /** Closes it: called in reverse order while the engine still runs, also after a start that failed. Within a bound, as `start`. */
  stop?(signal: AbortSignal): void | Promise<void>
  /**
   * Why nothing may be sent now; `undefined` when it may. Asked at each send: a module that cannot keep up with what sends make
   * has them refused as `OVERLOADED`.
   */
  refusesSends?(): string | undefined
  /** What it tells of itself to those who watch the process: web servers put it on their `/metrics`. Asked once, when they start. */
  metrics?(): readonly ModuleMetric[]
  /**
   * The channels of several gateways as one: what web servers answer from, where this module spreads channels over gateways. It
   * is `undefined` while the module does not run, and absent from those that do not.
   */
  readonly shared?: SharedChannels | undefined
  /** Answers what the modules of its name of other gateways ask with `askModule` of {@link SharedChannels}; `undefined` is no answer. JSON both ways. */
  answerModule?(question: unknown): unknown
  /** Writes out what is left: called in reverse order when the engine has ended, in simulation too. Within a bound, as `start`. */
  flush?(signal: AbortSignal): void | Promise<void>
  /** Channels that must have a provider for this module; `[]` means none. @defaultValue every channel that it gets */
  readonly requires?: readonly string[]
  /** Keys that this module gives to baskets without keys in the contract. */
  dynamicKeys?(): { readonly [basket: string]: readonly string[] }
  /**
   * Channels that this module adds to the contract. Modules share a channel that they add with the same schema: the same object, as
   * checks of two schemas cannot be compared. The options of the first one count.
   */
  dynamicChannels?(): AnyChannels
  /** States that this module adds to channels, as `setState` does. */
  dynamicState?(): { readonly [channel: string]: StateOptions | readonly StateOptions[] }
  /** Ticks that this module sets before this engine time are dropped; before that of the gateway, if it has none. */
  readonly blockSetChannelsUntil?: Timestamp | string
  /**
   * What a failing node of this module does to the gateway: `stop` ends the run, `skip` goes on without the tick,
   * `deadLetter` also keeps the failed input. @defaultValue 'stop'
   */
  readonly onError?: ErrorPolicy
}

/** Everything of a module but its name and wiring. */
export type ModuleOptions<C extends AnyChannels> = Omit<
  Module<C>,
  'name' | 'connect' | 'requires'
> & {
  readonly requires?: readonly (keyof C & string)[]
}

/**
 * Makes a module of a function; its channels are checked against the contract.
 * @example
 * ```ts
 * const totals = defineModule(channels, 'totals', (c) => {
 *   c.setChannel('total', count(c.getChannel('orders')))
 * })
 * ```
 */
export function defineModule<C extends AnyChannels>(
  _contract: Contract<C>,
  name: string,
  connect: (channels: Channels<C>) => void,
  options: ModuleOptions<C> = {},
): Module<C> {
  return { ...options, name, connect }
}
