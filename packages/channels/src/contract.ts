import type { AnyChannel, AnyChannels, ChannelType, ContractType, Path } from '@gw/protocol'
import type { z } from 'zod'
import { ChannelsError } from './errors.js'

/** A state of a channel: the newest record, or the newest few, for each key. */
export interface StateOptions<Record = never> {
  /** Path, or paths, of the attributes that make the key. */
  readonly by: StatePath<Record> | readonly StatePath<Record>[]
  /** Name of the state. @defaultValue the channel's name */
  readonly alias?: string
  /** Records kept for each key. @defaultValue 1 */
  readonly keep?: number
  /** Records kept in all; the oldest goes out. @defaultValue 1_000_000 */
  readonly maxRecords?: number
}

type StatePath<Record> = [Record] extends [never] ? string : Path<ElementOf<Record>>

type ElementOf<T> = T extends readonly (infer E)[] ? E : T

/** Options of a channel. */
export interface ChannelOptions<Value = never> {
  /** State, or states, that the gateway keeps of the channel. */
  readonly state?: StateOptions<Value> | readonly StateOptions<Value>[]
  /** Whether records can be staged and released. @defaultValue false */
  readonly stage?: boolean
  /** Whether the outside may send. @defaultValue false */
  readonly send?: boolean
  /** Whether a module that gets the channel needs somebody to set it. @defaultValue true */
  readonly required?: boolean
  /** What the channel holds, for people; it reaches the API's description. */
  readonly doc?: string
}

/** What every channel has at run time. */
export interface ChannelDefinition extends AnyChannel {
  /** Schema of what ticks: of a list channel an array, of a basket the schema of one key's ticks. */
  readonly schema: z.ZodType
  /** Keys of a fixed basket. */
  readonly keys?: readonly string[]
  /** Keys come and go at run time. */
  readonly dynamic?: boolean
  readonly options: ChannelOptions
  /** Value of a field. */
  readonly value?: unknown
}

/** Types of a channel of schema `S` with options `O`. */
export interface SchemaChannelTypes<
  Kind extends 'single' | 'list' | 'basket',
  S extends z.ZodType,
  Key extends string,
  O,
> {
  readonly kind: Kind
  readonly value: z.output<S>
  readonly input: z.input<S>
  readonly key: Key
  readonly state: HasState<O>
  readonly alias: AliasOf<O>
  readonly stage: O extends { readonly stage: true } ? true : false
  readonly send: O extends { readonly send: true } ? true : false
}

type StatesOf<O> = O extends { readonly state: infer S }
  ? S extends readonly (infer E)[]
    ? E
    : S
  : never
type HasState<O> = [StatesOf<O>] extends [never]
  ? false
  : true extends (
        StatesOf<O> extends infer E
          ? E extends { readonly alias: string }
            ? never
            : true
          : never
      )
    ? true
    : false
type AliasOf<O> =
  StatesOf<O> extends infer E
    ? E extends { readonly alias: infer A extends string }
      ? A
      : never
    : never

/** A channel that ticks values of one schema. */
export interface Channel<S extends z.ZodType, O>
  extends ChannelDefinition,
    ChannelType<SchemaChannelTypes<S extends z.ZodArray ? 'list' : 'single', S, never, O>> {
  readonly kind: S extends z.ZodArray ? 'list' : 'single'
  readonly schema: S
}

/** Channels of one schema, by key. */
export interface BasketChannel<S extends z.ZodType, Key extends string, O>
  extends ChannelDefinition,
    ChannelType<SchemaChannelTypes<'basket', S, Key, O>> {
  readonly kind: 'basket'
  readonly schema: S
}

/** A static value that is part of the contract and never ticks. */
export interface Field<S extends z.ZodType>
  extends ChannelDefinition,
    ChannelType<{
      readonly kind: 'field'
      readonly value: z.output<S>
      readonly input: never
      readonly key: never
      readonly state: false
      readonly alias: never
      readonly stage: false
      readonly send: false
    }> {
  readonly kind: 'field'
  readonly value: z.output<S>
}

/** A contract at run time. */
export interface Contract<C extends AnyChannels> extends ContractType<C> {
  readonly channels: C
}

/**
 * Declares a channel. A schema of an array makes a list channel, whose lists tick as a whole.
 * @example `channel(Order, { state: { by: 'symbol' }, send: true })`
 */
export function channel<S extends z.ZodType, const O extends ChannelOptions<z.output<S>> = {}>(
  schema: S,
  options?: O,
): Channel<S, O> {
  return {
    kind: schema.def.type === 'array' ? 'list' : 'single',
    schema,
    options: (options ?? {}) as ChannelOptions,
  } as Channel<S, O>
}

/**
 * Declares a basket: a channel for each key. Keys given here are part of the contract and checked by the compiler;
 * without them modules announce the keys (`dynamicKeys`).
 */
export function basket<S extends z.ZodType, const O extends ChannelOptions<z.output<S>> = {}>(
  schema: S,
  options?: O,
): BasketChannel<S, string, O>
export function basket<
  const Key extends string,
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = {},
>(keys: readonly Key[], schema: S, options?: O): BasketChannel<S, Key, O>
export function basket(
  first: readonly string[] | z.ZodType,
  second?: z.ZodType | ChannelOptions,
  third?: ChannelOptions,
): BasketChannel<z.ZodType, string, unknown> {
  if (Array.isArray(first)) {
    return { kind: 'basket', keys: first, schema: second as z.ZodType, options: third ?? {} }
  }
  return {
    kind: 'basket',
    schema: first as z.ZodType,
    options: (second as ChannelOptions | undefined) ?? {},
  }
}

/** Declares a basket whose keys come and go while it runs. */
export function dynamicBasket<
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = {},
>(schema: S, options?: O): BasketChannel<S, string, O> {
  return {
    kind: 'basket',
    dynamic: true,
    schema,
    options: (options ?? {}) as ChannelOptions,
  } as BasketChannel<S, string, O>
}

/** Declares a static value, served under `/field`. */
export function field<S extends z.ZodType>(schema: S, value: z.input<S>): Field<S> {
  return { kind: 'field', schema, value: schema.parse(value), options: {} } as Field<S>
}

/**
 * Makes a contract of channels.
 * @throws ChannelsError `INVALID_CONTRACT` with every name, schema and option that cannot be served.
 */
export function defineChannels<C extends AnyChannels>(channels: C): Contract<C> {
  if (Object.keys(channels).length === 0) {
    throw new ChannelsError('INVALID_CONTRACT', 'a contract has at least one channel')
  }
  return { channels }
}
