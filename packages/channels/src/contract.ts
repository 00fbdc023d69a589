import type {
  AnyChannel,
  AnyChannels,
  ChannelsOf,
  ChannelType,
  ChannelTypes,
  ContractType,
  Path,
} from '@gw/protocol'
import { z } from 'zod'
import { contractProblems } from './contract-problems.js'
import { ChannelsError } from './errors.js'

/** A state of a channel: the newest record, or the newest few, for each key. */
export interface StateOptions<Record = never> {
  /** Path, or paths, of the attributes that make the key. Equality queries on them are looked up, not searched. */
  readonly by: StatePath<Record> | readonly StatePath<Record>[]
  /** Name of the state. @defaultValue the channel's name */
  readonly alias?: string
  /** Further attributes for which equality queries are looked up, not searched. */
  readonly index?: StatePath<Record> | readonly StatePath<Record>[]
  /** Records kept for each key: a number, or all of them, up to `maxRecords`. @defaultValue 1 */
  readonly keep?: number | 'all'
  /** Records kept in all; beyond it the one that came first goes out. @defaultValue 1_000_000 */
  readonly maxRecords?: number
  /** Of a basket: the one key whose ticks are kept. @defaultValue those of all keys, in one state */
  readonly key?: string
}

type StatePath<Record> = [Record] extends [never] ? string : Path<ElementOf<Record>>

type ElementOf<T> = T extends readonly (infer E)[] ? E : T

/** Options of a channel. */
export interface ChannelOptions<Value = never> {
  /** State, or states, that the gateway keeps of the channel. */
  readonly state?: StateOptions<Value> | readonly StateOptions<Value>[]
  /** Whether records can be staged and released; not for baskets. @defaultValue false */
  readonly stage?: boolean
  /** Whether the outside may send. @defaultValue false */
  readonly send?: boolean
  /** Whether no module may open it to the outside either, with `addSendChannel` or `setStage`. @defaultValue false */
  readonly readOnly?: boolean
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

/**
 * What a channel of one kind, schema, keys and options carries; {@link Channel} and {@link BasketChannel} work it out.
 * A module may set what it gets: a channel of another schema, be its values wider, is another channel (`in out`).
 */
export interface SchemaChannel<
  Kind extends 'single' | 'list' | 'basket',
  in out S extends z.ZodType,
  Keys extends ChannelTypes['keys'],
  State extends boolean,
  Aliases extends ChannelTypes['aliases'],
  Stage extends boolean,
  Send extends boolean,
> extends ChannelDefinition,
    ChannelType<{
      readonly kind: Kind
      readonly value: z.output<S>
      readonly input: z.input<S>
      readonly keys: Keys
      readonly state: State
      readonly aliases: Aliases
      readonly stage: Stage
      readonly send: Send
    }> {
  readonly kind: Kind
  readonly schema: S
}

/** `true` where it is declared; `boolean` elsewhere, so that a channel that can more is one that can less. */
type Flag<O, Name extends 'stage' | 'send'> = O extends { readonly [N in Name]: true }
  ? true
  : boolean
type StatesOf<O> = O extends { readonly state: infer S }
  ? S extends readonly (infer E)[]
    ? E
    : S
  : never
type HasState<O> = [StatesOf<O>] extends [never]
  ? boolean
  : true extends (
        StatesOf<O> extends infer E
          ? E extends { readonly alias: string }
            ? never
            : true
          : never
      )
    ? true
    : boolean
type AliasesOf<O> = {
  readonly [A in StatesOf<O> extends infer E
    ? E extends { readonly alias: infer Alias extends string }
      ? Alias
      : never
    : never]: true
}

/** A channel that ticks values of one schema. */
export type Channel<S extends z.ZodType, O> = SchemaChannel<
  S extends z.ZodArray ? 'list' : 'single',
  S,
  Record<never, true>,
  HasState<O>,
  AliasesOf<O>,
  Flag<O, 'stage'>,
  Flag<O, 'send'>
>

/** Channels of one schema, by key. */
export type BasketChannel<S extends z.ZodType, Key extends string, O> = SchemaChannel<
  'basket',
  S,
  { readonly [K in Key]: true },
  HasState<O>,
  AliasesOf<O>,
  Flag<O, 'stage'>,
  Flag<O, 'send'>
>

/** A basket whose keys come and go while it runs. */
export type DynamicBasketChannel<S extends z.ZodType, O> = BasketChannel<S, string, O> & {
  readonly dynamic: true
}

/** A static value that is part of the contract and never ticks. */
export interface Field<S extends z.ZodType>
  extends ChannelDefinition,
    ChannelType<{
      readonly kind: 'field'
      readonly value: z.output<S>
      readonly input: never
      readonly keys: Record<never, true>
      readonly state: boolean
      readonly aliases: Record<never, true>
      readonly stage: boolean
      readonly send: boolean
    }> {
  readonly kind: 'field'
  readonly schema: S
  readonly value: z.output<S>
}

/** A contract at run time. */
export interface Contract<C extends AnyChannels> extends ContractType<C> {
  readonly channels: C
}

/** Keys of a basket: a list, a zod enum, or an enum object, of which the names count. */
export type KeySource<Key extends string> =
  | readonly Key[]
  | z.ZodEnum<{ readonly [K in Key]: string | number }>
  | { readonly [K in Key]: string | number }

/**
 * Declares a channel. A schema of an array makes a list channel, whose lists tick as a whole.
 * @example `channel(Order, { state: { by: 'symbol' }, send: true })`
 */
export function channel<
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = Record<never, never>,
>(schema: S, options?: O): Channel<S, O> {
  checkSchema('channel', schema)
  return {
    kind: schema.def.type === 'array' ? 'list' : 'single',
    schema,
    options: (options === undefined ? {} : options) as ChannelOptions,
  } as Channel<S, O>
}

/**
 * Declares a basket: a channel for each key. Keys given here are part of the contract and checked by the compiler;
 * without them modules announce the keys (`dynamicKeys`).
 * @example `basket(['AAPL', 'MSFT'], Price)`
 */
export function basket<
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = Record<never, never>,
>(schema: S, options?: O): BasketChannel<S, string, O>
export function basket<
  const Names extends z.core.util.EnumLike,
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = Record<never, never>,
>(keys: z.ZodEnum<Names>, schema: S, options?: O): BasketChannel<S, Extract<keyof Names, string>, O>
export function basket<
  const Key extends string,
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = Record<never, never>,
>(keys: KeySource<Key>, schema: S, options?: O): BasketChannel<S, Key, O>
export function basket(
  first: KeySource<string> | z.ZodEnum | z.ZodType,
  second?: z.ZodType | ChannelOptions,
  third?: ChannelOptions,
): BasketChannel<z.ZodType, string, unknown> {
  if (first instanceof z.ZodType && !(second instanceof z.ZodType)) {
    return { kind: 'basket', schema: first, options: second === undefined ? {} : second }
  }
  checkSchema('basket', second)
  return {
    kind: 'basket',
    keys: keysOf(first as KeySource<string>),
    schema: second as z.ZodType,
    options: third === undefined ? {} : third,
  }
}

/** @throws ChannelsError `INVALID_CONTRACT`. */
function checkSchema(builder: string, schema: unknown): void {
  if (schema instanceof z.ZodType) return
  throw new ChannelsError(
    'INVALID_CONTRACT',
    `${builder}() takes a zod schema, or a struct, not ${schema === undefined ? 'nothing' : JSON.stringify(schema)}`,
  )
}

/** Names of an enum; a numeric TypeScript enum also has its numbers as keys, which are no names. */
function keysOf(source: KeySource<string>): readonly string[] {
  if (Array.isArray(source)) return source as readonly string[]
  if (typeof source !== 'object' || source === null) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      `the keys of a basket are a list, a zod enum or an enum object, not ${String(source)}`,
    )
  }
  const entries = Object.entries(source instanceof z.ZodEnum ? (source.enum as object) : source)
  const numbers = new Set(
    entries.map(([, value]) => value).filter((value) => typeof value === 'number'),
  )
  return entries.map(([name]) => name).filter((name) => !numbers.has(Number(name)))
}

/** Declares a basket whose keys come and go while it runs. */
export function dynamicBasket<
  S extends z.ZodType,
  const O extends ChannelOptions<z.output<S>> = Record<never, never>,
>(schema: S, options?: O): DynamicBasketChannel<S, O> {
  checkSchema('dynamicBasket', schema)
  return {
    kind: 'basket',
    dynamic: true,
    schema,
    options: (options === undefined ? {} : options) as ChannelOptions,
  } as DynamicBasketChannel<S, O>
}

/**
 * Declares a static value, served under `/field`.
 * @throws ChannelsError `INVALID_CONTRACT` when the value is not of the schema.
 */
export function field<S extends z.ZodType>(
  schema: S,
  value: z.input<S>,
  options?: { readonly doc?: string },
): Field<S> {
  checkSchema('field', schema)
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      `the value of a field is not of its schema: ${z.prettifyError(parsed.error)}`,
      { cause: parsed.error },
    )
  }
  return {
    kind: 'field',
    schema,
    value: parsed.data,
    options: options === undefined ? {} : options,
  } as Field<S>
}

/**
 * Makes a contract of channels.
 * @throws ChannelsError `INVALID_CONTRACT` with every name, schema and option that cannot be served.
 */
export function defineChannels<C extends AnyChannels>(channels: C): Contract<C> {
  const problems = contractProblems(channels as unknown as Definitions)
  if (problems.length > 0) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      `the contract cannot be served: ${problems.join('; ')}`,
    )
  }
  return Object.freeze({ channels: Object.freeze({ ...channels }) })
}

/**
 * Makes a contract of another one and more channels, or of two contracts. Modules written against either work with it.
 * @throws ChannelsError `INVALID_CONTRACT` as {@link defineChannels} does, and when both have a channel of one name.
 */
export function extendChannels<Base extends Contract<AnyChannels>, More extends AnyChannels>(
  base: Base,
  more: More | Contract<More>,
): Contract<ChannelsOf<Base> & More> {
  if (!isContract(base)) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      'extendChannels() takes a contract first, as defineChannels() makes one',
    )
  }
  if (typeof more !== 'object' || more === null) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      'extendChannels() takes channels, or another contract, second',
    )
  }
  const added = isContract(more) ? more.channels : more
  const both = Object.keys(added).filter(
    (name) => Object.hasOwn(base.channels, name) && base.channels[name] !== added[name],
  )
  if (both.length > 0) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      `both contracts have the channel ${both.map((name) => `"${name}"`).join(', ')}: rename one, or share its declaration`,
      { channel: both[0] as string },
    )
  }
  return defineChannels({ ...base.channels, ...added }) as never
}

/** Whether it is a contract, and not the channels of one. */
export function isContract<C extends AnyChannels>(
  more: C | Contract<C> | undefined,
): more is Contract<C> {
  // A channel has a kind, so a channel that is named "channels" is told from a contract.
  return typeof more?.channels === 'object' && more.channels !== null && !('kind' in more.channels)
}

/** The definitions of a contract, as the gateway reads them. */
export interface Definitions {
  readonly [name: string]: ChannelDefinition
}

/** The definitions behind the types of a contract. */
export function definitionsOf(contract: ContractType): Definitions {
  return contract.channels as unknown as Definitions
}
