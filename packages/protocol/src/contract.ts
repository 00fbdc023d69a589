/**
 * What a channel carries, known to the type checker only. The builders of `@gw/channels` return channels of these types;
 * the client reads them from `typeof channels` without a line of the server's code.
 */
export interface ChannelTypes {
  readonly kind: ChannelKind
  /** What ticks; of a basket, on each key. */
  readonly value: unknown
  /** What may be sent: as `value`, before defaults, id and timestamp are filled in. */
  readonly input: unknown
  /** Keys of a basket, as the keys of an object; none of what is no basket. */
  readonly keys: { readonly [key: string]: true }
  /** Whether there is a state of the channel's own name. Like `stage` and `send` true or unknown: see {@link ChannelType}. */
  readonly state: boolean
  /** Names of further states of the channel, as the keys of an object. */
  readonly aliases: { readonly [alias: string]: true }
  readonly stage: boolean
  readonly send: boolean
}

/**
 * Shape of what a channel answers: one record, a list that ticks as a whole, or records by key.
 * A `field` is a static value that never ticks.
 */
export type ChannelKind = 'single' | 'list' | 'basket' | 'field'

/** Any channel of a contract. Not generic on purpose: a constraint with a type parameter would widen all options. */
export interface AnyChannel {
  readonly kind: ChannelKind
}

/**
 * A channel with its types. `~types` is never there at run time.
 *
 * A channel that can more is one that can less: what is not declared is `boolean`, not `false`; keys and aliases are keys of an
 * object, of which there may be more. So a module, or a client, that knows a part of a contract takes every contract that has it.
 */
export interface ChannelType<out T extends ChannelTypes> extends AnyChannel {
  readonly '~types'?: T
}

/** Channels by name. */
export interface AnyChannels {
  readonly [name: string]: AnyChannel
}

/** A contract: the one thing that modules, server and clients share. */
export interface ContractType<C extends AnyChannels = AnyChannels> {
  readonly channels: C
}

/** The types of one channel. */
export type TypesOf<Channel> = Channel extends { readonly '~types'?: infer T }
  ? Extract<Exclude<T, undefined>, ChannelTypes>
  : never

/** Names of the further states of a channel. */
export type AliasOf<T extends ChannelTypes> = keyof T['aliases'] & string

/** Keys of a channel that is a basket. */
export type BasketKeyOf<T extends ChannelTypes> = keyof T['keys'] & string

/** The channels of a contract. */
export type ChannelsOf<Contract> = Contract extends ContractType<infer C> ? C : never

/** Names of the channels that tick: all but the fields. */
export type ChannelName<C extends AnyChannels> = {
  [K in keyof C & string]: TypesOf<C[K]>['kind'] extends 'field' ? never : K
}[keyof C & string]

/** Names of the static fields. */
export type FieldName<C extends AnyChannels> = {
  [K in keyof C & string]: TypesOf<C[K]>['kind'] extends 'field' ? K : never
}[keyof C & string]

/** Names of the channels that can be sent to from outside. */
export type SendName<C extends AnyChannels> = {
  [K in keyof C & string]: TypesOf<C[K]>['send'] extends true ? K : never
}[keyof C & string]

/** Names of the channels with staging. */
export type StageName<C extends AnyChannels> = {
  [K in keyof C & string]: TypesOf<C[K]>['stage'] extends true ? K : never
}[keyof C & string]

/** Names of the states: of channels that declare one, and their aliases. */
export type StateName<C extends AnyChannels> = {
  [K in keyof C & string]:
    | (TypesOf<C[K]>['state'] extends true ? K : never)
    | AliasOf<TypesOf<C[K]>>
}[keyof C & string]

/** Names of the baskets. */
export type BasketName<C extends AnyChannels> = {
  [K in keyof C & string]: TypesOf<C[K]>['kind'] extends 'basket' ? K : never
}[keyof C & string]

/** What ticks on a channel; of a basket, on one key. */
export type ValueOf<C extends AnyChannels, K extends keyof C> = TypesOf<C[K]>['value']

/** What may be sent to a channel; to a basket, to one key. */
export type InputOf<C extends AnyChannels, K extends keyof C> = TypesOf<C[K]>['input']

/** Keys of a basket. */
export type KeyOf<C extends AnyChannels, K extends keyof C> = BasketKeyOf<TypesOf<C[K]>>

/** The records of a channel: of a list channel, its elements. */
export type RecordOf<C extends AnyChannels, K extends keyof C> =
  ValueOf<C, K> extends readonly (infer Element)[] ? Element : ValueOf<C, K>

/** The records of a state, by the channel's name or an alias. */
export type StateRecordOf<C extends AnyChannels, S extends string> = {
  [K in keyof C & string]: S extends K | AliasOf<TypesOf<C[K]>> ? RecordOf<C, K> : never
}[keyof C & string]
