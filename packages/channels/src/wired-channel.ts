import {
  type BasketView,
  type DelayedEdge,
  delayedEdge,
  Edge,
  type Graph,
  type Input,
} from '@gw/core'
import type { BorderOutput } from './border.js'
import type { ChannelLog } from './channel-log.js'
import type { ChannelDefinition, StateOptions } from './contract.js'
import { ChannelsError } from './errors.js'
import type { Module } from './module.js'
import { shown } from './shown.js'
import type { Staging } from './staging.js'
import type { StateStore } from './state.js'
import type { KeyLog } from './tick.js'

/** A module with what the wiring knows of it. */
export interface WiredModule {
  readonly module: Module<never>
  /** Its name, with a number when others have the same: the scope of its nodes. */
  readonly scope: string
  readonly blockUntil: number | undefined
}

/** One edge that somebody set. */
export interface Provider {
  readonly edge: Edge<unknown>
  readonly party: string
  readonly blockUntil: number | undefined
}

/** A plain channel, a dynamic basket, or one key of a basket: what can be got, set and sent to by itself. */
export class Slot {
  readonly channel: WiredChannel
  readonly key: string | undefined
  readonly providers: Provider[] = []
  /** Modules that get it, by scope, with whether they need it to be provided. */
  readonly askers: Map<string, boolean> = new Map()
  readonly feedbacks: string[] = []
  sendOutput: BorderOutput | undefined
  isSendable = false
  /** What is sent goes through the nodes of a module first. */
  through:
    | { readonly scope: string; readonly build: (sent: Edge<unknown>) => Edge<unknown> }
    | undefined
  /** The gateway itself puts dead letters here. */
  takesDeadLetters = false
  /** What the edge is once everything is wired. */
  isProvided = false
  keyLog: KeyLog | undefined
  /** The engine's side of a dynamic basket. */
  basket: Input<BasketView<string, unknown>> | undefined
  readonly #graph: Graph
  #placeholder: DelayedEdge<unknown> | undefined

  constructor(graph: Graph, channel: WiredChannel, key: string | undefined) {
    this.#graph = graph
    this.channel = channel
    this.key = key
  }

  /** `channel`, or `channel/key`. */
  get name(): string {
    return this.key === undefined ? this.channel.name : `${this.channel.name}/${this.key}`
  }

  /** The edge that modules get, whether or not somebody has set it yet. */
  get edge(): Edge<unknown> {
    this.#placeholder ??= delayedEdge(this.#graph, this.name)
    return this.#placeholder
  }

  /** The edge, if somebody asked for it. */
  get placeholder(): DelayedEdge<unknown> | undefined {
    return this.#placeholder
  }

  get isUsed(): boolean {
    return this.#placeholder !== undefined || this.providers.length > 0
  }
}

/** A state and who reads it. */
export interface WiredState {
  readonly name: string
  readonly channel: WiredChannel
  readonly options: StateOptions
  store: StateStore<unknown> | undefined
}

/** A channel while it is wired, and what the running gateway needs of it. */
export class WiredChannel {
  readonly name: string
  readonly definition: ChannelDefinition
  readonly keys: readonly string[]
  readonly isDynamic: boolean
  readonly isBasket: boolean
  readonly slots: Map<string | undefined, Slot> = new Map()
  readonly states: WiredState[] = []
  isStaged = false
  staging: Staging | undefined
  stageEvents:
    | {
        readonly edge: DelayedEdge<unknown>
        /** Modules that want them, by scope. */
        readonly askers: Set<string>
        output: BorderOutput | undefined
      }
    | undefined
  log: ChannelLog | undefined

  constructor(graph: Graph, name: string, definition: ChannelDefinition, keys: readonly string[]) {
    this.name = name
    this.definition = definition
    this.isDynamic = definition.dynamic === true
    this.isBasket = definition.kind === 'basket'
    this.keys = keys
    if (this.isBasket && !this.isDynamic) {
      for (const key of keys) this.slots.set(key, new Slot(graph, this, key))
    } else {
      this.slots.set(undefined, new Slot(graph, this, undefined))
    }
  }

  get allSlots(): readonly Slot[] {
    return [...this.slots.values()]
  }

  get isProvided(): boolean {
    return this.allSlots.some((slot) => slot.isProvided)
  }

  /**
   * The slot of a plain channel, of a dynamic basket, or of one key.
   * @throws ChannelsError `UNKNOWN_KEY`.
   */
  slot(key: string | undefined): Slot {
    const slot = this.slots.get(key)
    if (slot !== undefined) return slot
    if (!this.isBasket) {
      throw new ChannelsError('UNKNOWN_KEY', `"${this.name}" is no basket: leave the key out`, {
        channel: this.name,
      })
    }
    throw unknownKey(this, key)
  }
}

/** Keys and their names may come from outside, so they are quoted. */
export function unknownKey(channel: WiredChannel, key: string | undefined): ChannelsError {
  const remedy = channel.isDynamic
    ? 'its keys come and go: get the basket as a whole'
    : channel.definition.keys === undefined
      ? `it has ${listOf(channel.keys)}, as modules announce in dynamicKeys`
      : `it has ${listOf(channel.keys)}`
  return new ChannelsError(
    'UNKNOWN_KEY',
    key === undefined
      ? `"${channel.name}" is a basket: name a key, ${remedy}`
      : `"${channel.name}" has no key ${shown(key)}: ${remedy}`,
    { channel: channel.name, ...(key === undefined ? {} : { key }) },
  )
}

/** @throws ChannelsError `UNKNOWN_CHANNEL`. */
export function channelOf(
  channels: ReadonlyMap<string, WiredChannel>,
  name: string,
  module?: string,
): WiredChannel {
  const channel = channels.get(name)
  if (channel !== undefined) return channel
  throw new ChannelsError(
    'UNKNOWN_CHANNEL',
    `there is no channel ${shown(name)}: the contract has ${listOf([...channels.keys()])}`,
    module === undefined ? { channel: name } : { channel: name, module },
  )
}

/** @throws ChannelsError `WRONG_EDGE`. */
export function checkEdge(
  value: unknown,
  where: string,
  details: { channel: string; module: string },
): Edge<unknown> {
  if (value instanceof Edge) return value
  const what = value === undefined ? 'nothing' : Array.isArray(value) ? 'a list' : typeof value
  throw new ChannelsError('WRONG_EDGE', `${where} is set to ${what}, not to an edge`, details)
}

function listOf(names: readonly string[]): string {
  const first = names.slice(0, 20).map(shown)
  if (names.length > first.length) first.push(`${names.length - first.length} more`)
  return first.length === 0 ? 'none' : first.join(', ')
}
