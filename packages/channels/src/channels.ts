import type { DynamicBasket, Edge, Graph } from '@gw/core'
import type {
  AnyChannels,
  BasketName,
  ChannelName,
  FieldName,
  KeyOf,
  RecordOf,
  StateName,
  StateRecordOf,
  TypesOf,
  ValueOf,
} from '@gw/protocol'
import type { ChannelDefinition, StateOptions } from './contract.js'
import type { StagingEvent, StagingRequest } from './staging.js'
import type { StateView } from './state.js'

/** What `getChannel` gives for a channel: an edge; for a basket with keys, an edge by key; for a dynamic one, its edge. */
export type EdgeOf<C extends AnyChannels, K extends keyof C> = TypesOf<C[K]>['kind'] extends 'field'
  ? ValueOf<C, K>
  : TypesOf<C[K]>['kind'] extends 'basket'
    ? C[K] extends { readonly dynamic: true }
      ? DynamicBasket<string, ValueOf<C, K>>
      : { readonly [Key in KeyOf<C, K>]: Edge<ValueOf<C, K>> }
    : Edge<ValueOf<C, K>>

/** What `setChannel` takes: as {@link EdgeOf}; of a basket with keys, edges for some of them. */
export type SettableOf<C extends AnyChannels, K extends keyof C> = TypesOf<
  C[K]
>['kind'] extends 'basket'
  ? C[K] extends { readonly dynamic: true }
    ? EdgeOf<C, K>
    : Partial<EdgeOf<C, K>>
  : EdgeOf<C, K>

/**
 * The channels while the modules are wired: the bus that they meet on. Getting works before and after somebody sets;
 * nothing connects until every module has spoken.
 */
export interface Channels<C extends AnyChannels> {
  /** The graph, for sources. */
  readonly graph: Graph
  /** Names of all channels, in the order of the contract. */
  readonly names: readonly ChannelName<C>[]
  /** What kind of channel it is, for modules that take any: transports, for example. */
  shapeOf(name: ChannelName<C>): 'single' | 'list' | 'basket' | 'dynamicBasket'
  /** How a channel or field was declared: for modules that work with any channel. @throws ChannelsError `UNKNOWN_CHANNEL`. */
  definitionOf(name: string): ChannelDefinition
  /** Keys of a basket: those of the contract, or those that modules announced. */
  keysOf<K extends BasketName<C>>(name: K): readonly KeyOf<C, K>[]
  /**
   * The edge of a channel, whoever provides it; with `key`, of one key of a basket.
   * @throws ChannelsError `UNKNOWN_CHANNEL`, `UNKNOWN_KEY`.
   */
  getChannel<K extends ChannelName<C> | FieldName<C>>(name: K): EdgeOf<C, K>
  getChannel<K extends BasketName<C>>(name: K, key: KeyOf<C, K>): Edge<ValueOf<C, K>>
  /**
   * Adds a provider. Several providers of one channel are merged: nothing is lost, same-time ticks come in successive
   * cycles, in module order; those of a list channel come as one list.
   * @throws ChannelsError `UNKNOWN_CHANNEL`, `UNKNOWN_KEY`, `WRONG_EDGE`.
   */
  setChannel<K extends ChannelName<C>>(name: K, edge: SettableOf<C, K>): void
  setChannel<K extends BasketName<C>>(name: K, edge: Edge<ValueOf<C, K>>, key: KeyOf<C, K>): void
  /** An edge that ticks the live state after each change. @throws ChannelsError `NO_STATE` when nobody declares it. */
  getState<S extends StateName<C>>(name: S): Edge<StateView<StateRecordOf<C, S>>>
  /** Declares a state as the contract's `state` does. @throws ChannelsError `CONFLICTING_STATE`. */
  setState<K extends ChannelName<C>>(name: K, options: StateOptions<RecordOf<C, K>>): void
  /**
   * Lets the outside send, as the contract's `send` does; with `key`, to that key of a basket. With `through`, what is sent
   * goes through the nodes that it declares, and what they tick in the same cycle is what the channel ticks.
   * @throws ChannelsError `UNKNOWN_CHANNEL`, `UNKNOWN_KEY`, `INVALID_OPTION` when two modules give `through`.
   */
  addSendChannel<K extends ChannelName<C>>(
    name: K,
    key?: KeyOf<C, K>,
    through?: (sent: Edge<ValueOf<C, K>>) => Edge<ValueOf<C, K>>,
  ): void
  /** Lets the outside stage, as the contract's `stage` does. */
  setStage<K extends ChannelName<C>>(name: K): void
  /** An edge that ticks what happens to the stagings of a channel, in order. */
  getStageEvents<K extends ChannelName<C>>(name: K): Edge<StagingEvent<RecordOf<C, K>>>
  /** Has the stagings of a channel changed as `requests` ticks. A request that cannot be met is an error of its module. */
  setStageRequests<K extends ChannelName<C>>(
    name: K,
    requests: Edge<StagingRequest<RecordOf<C, K>>>,
  ): void
}
