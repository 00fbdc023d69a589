import type { AnyChannels } from '@gw/protocol'
import type { Channels } from './channels.js'
import type { LiveGateway } from './live.js'

/**
 * A part of a gateway: it gets and sets channels by name and knows no other module.
 * Any object of this shape is a module; `defineModule` makes one of a function.
 */
export interface Module<C extends AnyChannels = AnyChannels> {
  readonly name: string
  /** Wires the module: called once, before the run, in the order of the modules; the order does not matter otherwise. */
  connect?(channels: Channels<C>): void
  /** Opens what the module serves: called in order, when the engine runs. */
  start?(gateway: LiveGateway<C>): void | Promise<void>
  /** Closes it: called in reverse order, before the engine stops accepting; within a bound. */
  stop?(): void | Promise<void>
  /** Channels that must have a provider for this module; `[]` means none. @defaultValue every channel that it gets */
  readonly requires?: readonly (keyof C & string)[]
  /** Keys that this module gives to baskets without keys in the contract. */
  dynamicKeys?(): { readonly [basket: string]: readonly string[] }
  /** What a failing node of this module does to the gateway. @defaultValue 'stop' */
  readonly onError?: 'stop' | 'skip' | 'deadLetter'
}
