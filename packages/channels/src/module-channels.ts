import { carriesBasket, Edge, type Graph } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { Channels } from './channels.js'
import type { ChannelDefinition, StateOptions } from './contract.js'
import { ChannelsError } from './errors.js'
import { shown } from './shown.js'
import type { StagingRequest } from './staging.js'
import {
  channelOf,
  checkEdge,
  type Slot,
  type WiredChannel,
  type WiredModule,
} from './wired-channel.js'
import type { Wiring } from './wiring.js'

/** The channels as one module sees them while it is connected: everything it does is noted under its name. */
export class ModuleChannels {
  readonly #wiring: Wiring
  readonly #me: WiredModule

  constructor(wiring: Wiring, me: WiredModule) {
    this.#wiring = wiring
    this.#me = me
  }

  /** The same under the types of a contract. */
  typed<C extends AnyChannels>(): Channels<C> {
    return this as unknown as Channels<C>
  }

  get graph(): Graph {
    return this.#wiring.graph
  }

  get names(): readonly string[] {
    return [...this.#wiring.channels.keys()]
  }

  shapeOf(name: string): 'single' | 'list' | 'basket' | 'dynamicBasket' {
    const { definition } = this.#channel(name)
    if (definition.kind !== 'basket') return definition.kind as 'single' | 'list'
    return definition.dynamic === true ? 'dynamicBasket' : 'basket'
  }

  definitionOf(name: string): ChannelDefinition {
    return this.#wiring.fieldDefinitions.get(name) ?? this.#channel(name).definition
  }

  keysOf(name: string): readonly string[] {
    return this.#channel(name).keys
  }

  getChannel(name: string, key?: string): unknown {
    this.#checkOpen('getChannel', name)
    const fields = this.#wiring.fields
    if (Object.hasOwn(fields, name)) {
      if (key === undefined) return fields[name]
      throw new ChannelsError('UNKNOWN_KEY', `"${name}" is a field: leave the key out`, {
        channel: name,
        key,
        module: this.#me.module.name,
      })
    }
    const channel = this.#channel(name)
    if (key === undefined && channel.isBasket && !channel.isDynamic) {
      return Object.fromEntries(
        channel.allSlots.map((slot) => [slot.key as string, this.#get(slot)]),
      )
    }
    return this.#get(channel.slot(key))
  }

  setChannel(name: string, edge: unknown, key?: string): void {
    this.#checkOpen('setChannel', name)
    const channel = this.#channel(name)
    if (key !== undefined) {
      this.#provide(channel.slot(key), edge, `the key "${key}" of "${name}"`)
    } else if (channel.isBasket && !channel.isDynamic) {
      for (const [key, one] of this.#edgesByKey(channel, edge)) {
        this.#provide(channel.slot(key), one, `the key "${key}" of "${name}"`)
      }
    } else {
      this.#provide(channel.slot(undefined), edge, `"${name}"`)
    }
  }

  getState(name: string): Edge<unknown> {
    this.#checkOpen('getState', name)
    return this.#wiring.getState(name, this.#me)
  }

  setState(name: string, options: StateOptions): void {
    this.#checkOpen('setState', name)
    this.#wiring.addState(this.#channel(name), options, this.#me)
  }

  addSendChannel(
    name: string,
    key?: string,
    through?: (sent: Edge<unknown>) => Edge<unknown>,
  ): void {
    this.#checkOpen('addSendChannel', name)
    const channel = this.#channel(name)
    const slots = key === undefined ? channel.allSlots : [channel.slot(key)]
    this.#wiring.open(channel, slots)
    if (through === undefined) return
    if (typeof through !== 'function') {
      throw new ChannelsError(
        'INVALID_OPTION',
        `what is sent to "${name}" goes through a function of its edge, not through ${shown(through)}`,
        { channel: name, module: this.#me.module.name },
      )
    }
    for (const slot of slots) {
      if (slot.through !== undefined || channel.isDynamic) {
        throw new ChannelsError(
          'INVALID_OPTION',
          channel.isDynamic
            ? `what is sent to the dynamic basket "${name}" cannot go through nodes: let it go through a channel`
            : `what is sent to "${slot.name}" goes through nodes of "${slot.through?.scope}" already: only one module can say so`,
          { channel: name, module: this.#me.module.name },
        )
      }
      slot.through = { scope: this.#me.scope, build: through }
    }
  }

  setStage(name: string): void {
    this.#checkOpen('setStage', name)
    this.#wiring.stage(this.#channel(name))
  }

  getStageEvents(name: string): Edge<unknown> {
    this.#checkOpen('getStageEvents', name)
    return this.#wiring.stageEvents(this.#channel(name), this.#me)
  }

  setStageRequests(name: string, requests: unknown): void {
    this.#checkOpen('setStageRequests', name)
    const details = { channel: name, module: this.#me.module.name }
    const edge = checkEdge(requests, `the stage requests of "${name}"`, details)
    this.#wiring.stageRequests(this.#channel(name), edge as Edge<StagingRequest>, this.#me)
  }

  #channel(name: string): WiredChannel {
    return channelOf(this.#wiring.channels, name, this.#me.module.name)
  }

  #get(slot: Slot): Edge<unknown> {
    this.#wiring.ask(slot, this.#me)
    return slot.edge
  }

  #provide(slot: Slot, given: unknown, where: string): void {
    const { name, isDynamic } = slot.channel
    const details = { channel: name, module: this.#me.module.name }
    const edge = checkEdge(given, where, details)
    if (carriesBasket(edge) === !isDynamic) {
      throw new ChannelsError(
        'WRONG_EDGE',
        isDynamic
          ? `"${name}" is a basket whose keys come and go, and is set to the edge "${edge.node.path}", which is none: set it to what basketNode, dynamic or dynamicDemultiplex gives`
          : `${where} is set to the basket "${edge.node.path}", whose keys come and go: declare the channel as a dynamicBasket, or collect the basket to a value`,
        details,
      )
    }
    this.#wiring.provide(slot, edge, this.#me)
  }

  #edgesByKey(channel: WiredChannel, edges: unknown): readonly (readonly [string, unknown])[] {
    const isMap =
      typeof edges === 'object' &&
      edges !== null &&
      !Array.isArray(edges) &&
      !(edges instanceof Edge)
    if (!isMap) {
      throw new ChannelsError(
        'WRONG_EDGE',
        `"${channel.name}" is a basket and is set to one edge: give a key with it, or an object with an edge for each key`,
        { channel: channel.name, module: this.#me.module.name },
      )
    }
    return Object.entries(edges).filter(([, edge]) => edge !== undefined)
  }

  #checkOpen(method: string, name: string): void {
    if (this.#wiring.isOpen) return
    throw new ChannelsError(
      'WIRING_CLOSED',
      `module "${this.#me.module.name}" calls ${method}("${name}") after the wiring: call it in connect`,
      { channel: name, module: this.#me.module.name },
    )
  }
}
