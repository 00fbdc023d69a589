import {
  type DelayedEdge,
  type DynamicBasket,
  delayedEdge,
  dependsOn,
  type Edge,
  empty,
  feedback,
  type Graph,
  node,
  passive,
  sink,
} from '@gw/core'
import { feedBackBasket } from './baskets.js'
import { Border } from './border.js'
import { connectFailed } from './connect.js'
import type { ChannelDefinition, StateOptions } from './contract.js'
import { pathsOf, problemOfName, problemsOfState, statesOf } from './contract-problems.js'
import { ChannelsError } from './errors.js'
import { missingProviders, missingStages, missingStates } from './missing.js'
import { recordSchemaOf } from './paths.js'
import { gate, merge } from './providers.js'
import type { QueryLimits } from './query.js'
import type { StagingRequest } from './staging.js'
import { StateStore } from './state.js'
import { stateNode } from './state-node.js'
import {
  checkEdge,
  type Slot,
  WiredChannel,
  type WiredModule,
  type WiredState,
} from './wired-channel.js'

/** What the wiring of a run is given. */
export interface WiringOptions {
  readonly graph: Graph
  readonly definitions: ReadonlyMap<string, ChannelDefinition>
  /** Keys of baskets without keys in the contract, as the modules announced them. */
  readonly dynamicKeys: ReadonlyMap<string, readonly string[]>
  readonly isRealtime: boolean
  readonly maxPendingSends: number
  /** Ticks from outside before this engine time are dropped. */
  readonly blockUntil: number | undefined
  readonly queryLimits: QueryLimits | undefined
}

type DynamicEdge = DynamicBasket<string, unknown>

/**
 * Connects what modules get with what modules set, once all have spoken: several providers are merged, loops are cut by
 * feedback, what nobody provides is silent or an error.
 */
export class Wiring {
  readonly graph: Graph
  readonly channels: ReadonlyMap<string, WiredChannel>
  /** Static values by name. */
  readonly fields: { readonly [name: string]: unknown }
  readonly fieldDefinitions: ReadonlyMap<string, ChannelDefinition>
  readonly states: Map<string, WiredState> = new Map()
  readonly border: Border
  /** Whether modules may still get and set. */
  isOpen = true
  readonly #options: WiringOptions
  /** Channels in the order in which each was first set: loops are cut in this order. */
  readonly #setOrder = new Set<WiredChannel>()
  readonly #stateEdges = new Map<
    string,
    { readonly edge: DelayedEdge<unknown>; readonly askers: Set<string> }
  >()

  constructor(options: WiringOptions) {
    const { graph, definitions, dynamicKeys } = options
    this.graph = graph
    this.#options = options
    this.border = new Border(graph, options.isRealtime, options.maxPendingSends)
    const channels = new Map<string, WiredChannel>()
    const fields: Record<string, unknown> = {}
    const fieldDefinitions = new Map<string, ChannelDefinition>()
    for (const [name, definition] of definitions) {
      if (definition.kind === 'field') {
        fields[name] = definition.value
        fieldDefinitions.set(name, definition)
        continue
      }
      const keys = definition.keys ?? dynamicKeys.get(name) ?? []
      channels.set(name, new WiredChannel(graph, name, definition, keys))
    }
    this.channels = channels
    this.fields = Object.freeze(fields)
    this.fieldDefinitions = fieldDefinitions
    for (const channel of channels.values()) {
      const { options } = channel.definition
      for (const state of statesOf(channel.definition)) this.addState(channel, state)
      if (options.stage === true) this.stage(channel)
      if (options.send === true) this.open(channel, channel.allSlots)
    }
  }

  /** Notes that a module gets a slot. */
  ask(slot: Slot, { module, scope }: WiredModule): void {
    const { name, definition } = slot.channel
    const needs =
      definition.options.required !== false &&
      (module.requires === undefined || (module.requires as readonly string[]).includes(name))
    slot.askers.set(scope, needs || slot.askers.get(scope) === true)
  }

  /** Notes that a module sets a slot. */
  provide(slot: Slot, edge: Edge<unknown>, { module, scope, blockUntil }: WiredModule): void {
    this.#checkGraph(slot.name, edge, slot.channel.name, module.name)
    slot.providers.push({ edge, party: scope, blockUntil })
    this.#setOrder.add(slot.channel)
  }

  /** Declares a state; the same once more changes nothing. */
  addState(channel: WiredChannel, options: StateOptions, by?: WiredModule): void {
    const name = options?.alias ?? channel.name
    const details = {
      channel: channel.name,
      ...(by === undefined ? {} : { module: by.module.name }),
    }
    const problems = problemsOfState(channel.name, channel.definition, options)
    const nameProblem = name === channel.name ? undefined : problemOfName(name)
    if (nameProblem !== undefined) problems.push(nameProblem)
    if (name !== channel.name && (this.channels.has(name) || this.fieldDefinitions.has(name))) {
      problems.push(
        `the state "${name}" of "${channel.name}" has the name of a channel: give it another alias`,
      )
    }
    if (problems.length > 0)
      throw new ChannelsError('INVALID_CONTRACT', problems.join('; '), details)
    if (by !== undefined) for (const slot of channel.allSlots) this.ask(slot, by)
    const before = this.states.get(name)
    if (before === undefined) {
      const state: WiredState = { name, channel, options, store: undefined }
      this.states.set(name, state)
      channel.states.push(state)
    } else if (before.channel !== channel || spelling(before.options) !== spelling(options)) {
      throw new ChannelsError(
        'CONFLICTING_STATE',
        `the state "${name}" is declared already, on "${before.channel.name}" by ${JSON.stringify(before.options.by)}: give the other one, by ${JSON.stringify(options.by)}, an alias`,
        details,
      )
    }
  }

  getState(name: string, { scope }: WiredModule): Edge<unknown> {
    let wanted = this.#stateEdges.get(name)
    if (wanted === undefined) {
      wanted = { edge: delayedEdge(this.graph, `state ${name}`), askers: new Set() }
      this.#stateEdges.set(name, wanted)
    }
    wanted.askers.add(scope)
    return wanted.edge
  }

  /** Lets the outside send to some of a channel's keys. @throws ChannelsError `READ_ONLY`. */
  open(channel: WiredChannel, slots: readonly Slot[]): void {
    checkWritable(channel)
    for (const slot of slots) slot.isSendable = true
  }

  stage(channel: WiredChannel): void {
    checkWritable(channel)
    if (channel.isBasket) {
      throw new ChannelsError(
        'INVALID_CONTRACT',
        `"${channel.name}" is a basket and cannot be staged: stage a channel, and spread what is released`,
        { channel: channel.name },
      )
    }
    channel.isStaged = true
  }

  stageEvents(channel: WiredChannel, { scope }: WiredModule): Edge<unknown> {
    channel.stageEvents ??= {
      edge: delayedEdge(this.graph, `stage events of ${channel.name}`),
      askers: new Set(),
      output: undefined,
    }
    channel.stageEvents.askers.add(scope)
    return channel.stageEvents.edge
  }

  stageRequests(
    channel: WiredChannel,
    requests: Edge<StagingRequest>,
    { module }: WiredModule,
  ): void {
    const what = `the stage requests of ${channel.name}`
    this.#checkGraph(what, requests, channel.name, module.name)
    this.stage(channel)
    sink(`stage ${channel.name}`, { requests }, ({ requests }) => () => {
      channel.staging?.request(requests.value)
    })
  }

  /**
   * Connects everything. `resendable` says which slots must be able to take what failed behind them once more.
   * @throws ChannelsError `MISSING_PROVIDER`, `NO_STATE`, `NO_STAGE`, with all that is missing.
   */
  finish(resendable: (slot: Slot) => boolean): void {
    this.#attachBorder(resendable)
    this.isOpen = false
    this.graph.scope('gateway', () => {
      for (const state of this.states.values()) this.#buildState(state)
      for (const channel of this.#setOrder) {
        for (const slot of channel.allSlots) if (slot.providers.length > 0) this.#bind(slot)
      }
    })
    const problems = [
      ...missingProviders(this.channels.values()),
      ...missingStates(
        new Map([...this.#stateEdges].map(([name, { askers }]) => [name, askers])),
        this.states,
      ),
      ...missingStages(this.channels.values()),
    ]
    const [first] = problems
    if (first !== undefined) {
      throw new ChannelsError(first.code, problems.map(({ message }) => message).join('; '), first)
    }
    for (const channel of this.channels.values()) {
      for (const { placeholder, isProvided } of channel.allSlots) {
        if (!isProvided) placeholder?.bind(empty(this.graph))
      }
    }
  }

  /** Channels on loops that are cut: those that depend on themselves. */
  loops(): readonly Slot[] {
    const slots = [...this.channels.values()].flatMap((channel) => channel.allSlots)
    const cut = slots.filter((slot) => slot.feedbacks.length > 0)
    return slots.filter(
      (slot) =>
        cut.includes(slot) ||
        cut.some(
          (other) =>
            slot.providers.some(
              ({ edge }) => other.placeholder !== undefined && dependsOn(edge, other.placeholder),
            ) &&
            other.providers.some(
              ({ edge }) => slot.placeholder !== undefined && dependsOn(edge, slot.placeholder),
            ),
        ),
    )
  }

  #checkGraph(what: string, edge: Edge<unknown>, channel: string, module: string): void {
    if (edge.graph === this.graph) return
    throw new ChannelsError(
      'WRONG_EDGE',
      `"${what}" is set to the edge "${edge.node.path}" of another graph: build it in connect`,
      { channel, module },
    )
  }

  #attachBorder(resendable: (slot: Slot) => boolean): void {
    for (const channel of this.channels.values()) {
      for (const slot of channel.allSlots) {
        const isResendable = slot.providers.length > 0 && resendable(slot)
        if (slot.isSendable || channel.isStaged || slot.takesDeadLetters || isResendable) {
          slot.sendOutput = this.border.output(slot.name, channel.isDynamic)
        }
      }
      if (channel.stageEvents !== undefined) {
        channel.stageEvents.output = this.border.output(`stage events of ${channel.name}`, false)
      }
    }
    this.graph.scope('gateway', () => this.border.build())
    for (const channel of this.channels.values()) {
      for (const slot of channel.allSlots) {
        if (slot.sendOutput === undefined) continue
        // What comes from outside is the cause of what modules answer in the same cycle, so it goes before that.
        slot.providers.unshift({
          edge: this.#through(slot, slot.sendOutput.edge),
          party: outsideParty(slot),
          blockUntil: this.#options.blockUntil,
        })
        this.#setOrder.add(channel)
      }
      const { stageEvents } = channel
      if (stageEvents?.output !== undefined) stageEvents.edge.bind(stageEvents.output.edge)
    }
  }

  /** What is sent, after the nodes of the module that wants to see it first. */
  #through(slot: Slot, sent: Edge<unknown>): Edge<unknown> {
    const { through, channel } = slot
    if (through === undefined) return sent
    const built = (): unknown => {
      try {
        return through.build(sent)
      } catch (cause) {
        throw connectFailed(through.scope, cause)
      }
    }
    return this.graph.scope(through.scope, () => {
      const details = { channel: channel.name, module: through.scope }
      const changed = checkEdge(built(), `what is sent to "${slot.name}"`, details)
      return node('sent', { sent, changed }, ({ sent, changed }) => () => {
        // Who sent it waits for what comes out in its place.
        if (sent.ticked) {
          const value = changed.ticked ? changed.value : undefined
          channel.log?.changeInFlight(slot.key, sent.value, value)
        }
        return changed.ticked ? changed.value : undefined
      })
    })
  }

  #bind(slot: Slot): void {
    const { channel, placeholder } = slot
    const edges = slot.providers.map((provider) => {
      const edge = gate(provider, channel.isDynamic)
      // The feedback stands at the provider that closes the loop: all others keep their cycle.
      if (placeholder === undefined || !dependsOn(edge, placeholder)) return edge
      slot.feedbacks.push(provider.party)
      const name = `feedback of ${slot.name} from ${provider.party}`
      if (channel.isDynamic) return feedBackBasket(edge as DynamicEdge, name)
      const loop = feedback<unknown>(this.graph, name)
      loop.bind(edge)
      return loop.out
    })
    const merged = merge(edges, slot)
    if (placeholder === undefined) slot.edge // Makes the placeholder, which the taps read.
    slot.placeholder?.bind(merged)
    slot.isProvided = true
  }

  #buildState(state: WiredState): void {
    const { name, channel, options } = state
    const store = new StateStore<unknown>(
      options,
      recordSchemaOf(channel.definition.schema),
      this.#options.queryLimits,
    )
    state.store = store
    // Keys that modules announce are known only now.
    if (options.key !== undefined && !channel.isDynamic) channel.slot(options.key)
    const edge =
      channel.slots.size === 0 ? empty(this.graph) : stateNode(name, channel, store, options.key)
    // Kept up to date for those who read it from outside, although no node may.
    sink(`keep ${name}`, { edge: passive(edge) }, () => () => undefined)
    this.#stateEdges.get(name)?.edge.bind(edge)
  }
}

function checkWritable({ name, definition }: WiredChannel): void {
  if (definition.options.readOnly !== true) return
  throw new ChannelsError(
    'READ_ONLY',
    `the contract declares "${name}" read-only, so it cannot be sent or staged to: leave readOnly out, or use another channel`,
    { channel: name },
  )
}

function outsideParty({ isSendable, takesDeadLetters, channel }: Slot): string {
  if (isSendable) return 'send'
  if (channel.isStaged) return 'stage'
  return takesDeadLetters ? 'deadLetters' : 'resend'
}

function spelling({ by, keep = 1, maxRecords, key, index }: StateOptions): string {
  return JSON.stringify([pathsOf(by), keep, maxRecords, key, pathsOf(index)])
}
