import {
  type Edge,
  Graph,
  type GraphError,
  isoOf,
  type NodeContext,
  type RealtimeOptions,
  type Run,
  type Timestamp,
  timestampOf,
} from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import {
  type ChannelDefinition,
  type Contract,
  definitionsOf,
  type StateOptions,
} from './contract.js'
import { contractProblems } from './contract-problems.js'
import { DEAD_LETTERS, DeadLetter, DeadLetters } from './dead-letters.js'
import type { ChannelDescription, GatewayDescription } from './description.js'
import { ChannelsError } from './errors.js'
import { RunningChannels } from './live-channels.js'
import { type HistoryLimits, LogBook } from './log.js'
import { Lookup } from './lookup.js'
import { giveMint, type Mint, mintOf, withMint } from './mint.js'
import type { ErrorPolicy, Module } from './module.js'
import { ModuleChannels } from './module-channels.js'
import type { QueryLimits } from './query.js'
import { endedError, Sender } from './sender.js'
import { Staging, type StagingEvent, type StagingLimits } from './staging.js'
import { tapChannels } from './taps.js'
import { channelOf, type Slot, type WiredChannel, type WiredModule } from './wired-channel.js'
import { Wiring } from './wiring.js'

/** What one run of a gateway is made of. */
export interface RunOptions {
  readonly contract: Contract<AnyChannels>
  /** The enabled ones, in order. */
  readonly modules: readonly Module<never>[]
  readonly disabledModules: readonly string[]
  readonly userGraph: ((channels: ModuleChannels) => void) | undefined
  readonly isRealtime: boolean
  /** The present time at the border; in simulation the engine's. */
  readonly now: (() => Timestamp) | undefined
  readonly idBase: string
  readonly epoch: string
  readonly blockUntil: Timestamp | undefined
  readonly history: HistoryLimits | undefined
  readonly maxLookup: number
  readonly maxPendingSends: number
  readonly maxLag: number | undefined
  readonly maxDeadLetters: number
  readonly staging: StagingLimits
  readonly messageIds: { readonly maxIds: number; readonly maxAgeMs: number }
  readonly queryLimits: QueryLimits | undefined
  /** The engine of a run in real time, once it has begun; it may end in the middle of a send. */
  readonly engine: () => Pick<Run, 'running' | 'failure' | 'lag'> | undefined
  readonly onProblem: (message: string, error: unknown) => void
}

type FailureHook = NonNullable<RealtimeOptions['onNodeFailure']>

/** One run of a gateway: its graph, wired, and all that the outside sees of it. */
export class GatewayRun {
  readonly graph: Graph = new Graph()
  readonly contract: Contract<AnyChannels>
  readonly wiring: Wiring
  readonly channels: RunningChannels
  readonly sender: Sender
  readonly mint: Mint
  readonly lookup: Lookup | undefined
  readonly deadLetters: DeadLetters
  readonly readableAfterEnd: boolean
  ended: { readonly error?: unknown } | undefined
  /** Nothing more is let in: the gateway stops. */
  isClosing = false
  readonly #options: RunOptions
  readonly #modules: readonly WiredModule[]
  readonly #refusers: readonly Module<never>[]
  #context: NodeContext | undefined
  #slotsByEdge: ReadonlyMap<Edge<unknown>, Slot> | undefined

  constructor(options: RunOptions) {
    const { contract, isRealtime } = options
    this.#options = options
    this.contract = contract
    this.readableAfterEnd = !isRealtime
    this.mint = mintOf(options.idBase, options.now ?? (() => this.now))
    giveMint(this.graph, this.mint)
    this.lookup = isRealtime ? new Lookup(options.maxLookup) : undefined
    this.#modules = wiredModules(options.modules, options.blockUntil)
    this.#refusers = options.modules.filter(({ refusesSends }) => refusesSends !== undefined)
    this.wiring = new Wiring({
      graph: this.graph,
      definitions: definitionsWith(contract, this.#modules),
      dynamicKeys: this.#dynamicKeys(),
      isRealtime,
      maxPendingSends: options.maxPendingSends,
      blockUntil: options.blockUntil,
      queryLimits: options.queryLimits,
    })
    this.sender = new Sender(this, options.messageIds)
    this.deadLetters = new DeadLetters(options.maxDeadLetters, (letter) => this.#resend(letter))
    this.#connect()
    const resends = new Set(
      this.#modules
        .filter(({ module }) => module.onError === 'deadLetter')
        .map(({ scope }) => scope),
    )
    this.#openDeadLetters()
    this.wiring.finish((slot) => [...slot.askers.keys()].some((scope) => resends.has(scope)))
    const book = new LogBook({
      epoch: options.epoch,
      history: options.history,
      lookup: this.lookup,
      onListenerFailed: (channel, error) =>
        options.onProblem(`a listener to "${channel}" failed and is not called again`, error),
    })
    tapChannels(this.graph, this.wiring.channels, book)
    this.channels = new RunningChannels(this)
    for (const channel of this.wiring.channels.values()) if (channel.isStaged) this.#stage(channel)
    // The engine's side of the run: its time, and the moment at which a cycle is complete.
    this.graph.add({
      name: 'gateway',
      outputs: 0,
      setup: (_inputs, _outputs, context) => {
        this.#context = context
        return undefined
      },
    })
  }

  get border(): Wiring['border'] {
    return this.wiring.border
  }

  /** Engine time of the cycle that runs, or ran last. */
  get now(): Timestamp {
    return this.#context?.now ?? 0
  }

  /** Finds out whether the engine has ended: its own word comes later. */
  noticeEnd(): void {
    const engine = this.#options.engine()
    if (this.ended !== undefined || engine === undefined || engine.running) return
    this.end(engine.failure === undefined ? {} : { error: this.explain(engine.failure) })
  }

  /** @throws ChannelsError `NOT_RUNNING` when the engine has ended. */
  checkAlive(): void {
    this.noticeEnd()
    if (this.ended !== undefined) throw endedError(this.ended)
  }

  /** @throws ChannelsError when nothing may be sent now. */
  checkSending(): void {
    this.checkAlive()
    if (this.ended !== undefined || this.isClosing || this.#context === undefined) {
      throw new ChannelsError('NOT_RUNNING', 'the gateway does not run, so nothing can be sent', {
        cause: this.ended?.error,
      })
    }
    const { blockUntil, maxLag } = this.#options
    if (blockUntil !== undefined && this.now < blockUntil) {
      throw new ChannelsError('NOT_RUNNING', `channels are blocked until ${isoOf(blockUntil)}`)
    }
    const lag = maxLag === undefined ? 0 : (this.#options.engine()?.lag ?? 0)
    if (maxLag !== undefined && lag > maxLag) {
      throw new ChannelsError(
        'OVERLOADED',
        `the engine is ${Math.round(lag / 1_000)} ms behind, more than limits.lagMs allows: send later`,
      )
    }
    for (const module of this.#refusers) {
      const reason = module.refusesSends?.()
      if (reason !== undefined) {
        throw new ChannelsError('OVERLOADED', reason, { module: module.name })
      }
    }
  }

  /** The run is over: all who wait are told. */
  end(ended: { readonly error?: unknown }): void {
    if (this.ended !== undefined) return
    this.ended = ended
    this.sender.close(ended)
    this.channels.close(ended)
  }

  /** Ends the run after the present cycle. */
  stopEngine(): void {
    this.#context?.stopEngine()
  }

  get description(): GatewayDescription {
    return {
      modules: [
        ...this.#modules.map(({ scope }) => ({ name: scope, enabled: true })),
        ...this.#options.disabledModules.map((name) => ({ name, enabled: false })),
      ],
      channels: [...this.wiring.channels.values()].map(describe),
    }
  }

  /** What to do about a node that threw: the policy of its module. */
  readonly onNodeFailure: FailureHook = (error, failed) => {
    const owner = this.#modules.find(
      ({ scope }) => failed.path === scope || failed.path.startsWith(`${scope}/`),
    )
    const policy: ErrorPolicy = owner?.module.onError ?? 'stop'
    if (policy === 'stop' || owner === undefined) return 'rethrow'
    this.deadLetters.countFailure()
    this.#options.onProblem(`module "${owner.scope}" failed and goes on`, error)
    if (policy === 'deadLetter') this.#bury(owner, error, failed.inputs)
    return 'continue'
  }

  /** Names the channels of a loop that spun. */
  explain(error: unknown): unknown {
    const { code, message, time } = error as Partial<GraphError>
    if (code !== 'SPINNING') return error
    const spinning = this.wiring
      .loops()
      .filter(({ keyLog, channel }) => keyLog?.input?.time === time || channel.isDynamic)
      .map((slot) => `"${slot.name}"`)
    if (spinning.length === 0) return error
    return new ChannelsError(
      'SPINNING',
      `the loop over ${spinning.join(', ')} ticks again at once, for ever: give it a delay, or a way to end. ${message ?? ''}`,
      { channel: spinning[0]?.slice(1, -1) as string, cause: error },
    )
  }

  #dynamicKeys(): ReadonlyMap<string, readonly string[]> {
    const keys = new Map<string, string[]>()
    for (const { module } of this.#modules) {
      for (const [basket, added] of Object.entries(module.dynamicKeys?.() ?? {})) {
        const known = keys.get(basket) ?? []
        keys.set(basket, [...new Set([...known, ...added])])
        const definition = (definitionsOf(this.contract)[basket] ??
          dynamicDefinitions(this.#modules).get(basket)?.definition) as
          | ChannelDefinition
          | undefined
        if (
          definition?.kind !== 'basket' ||
          definition.dynamic === true ||
          definition.keys !== undefined
        ) {
          throw new ChannelsError(
            'UNKNOWN_CHANNEL',
            `module "${module.name}" announces keys of "${basket}", which is no basket that takes its keys from modules`,
            { channel: basket, module: module.name },
          )
        }
      }
    }
    return keys
  }

  #connect(): void {
    for (const me of this.#modules) {
      const { module, scope } = me
      this.graph.scope(scope, () => {
        try {
          for (const name of module.requires ?? []) {
            channelOf(this.wiring.channels, name, module.name)
          }
          this.#addDynamicStates(me)
          module.connect?.(new ModuleChannels(this.wiring, me).typed<never>())
        } catch (cause) {
          throw connectFailed(module.name, cause)
        }
      })
    }
    const { userGraph } = this.#options
    if (userGraph === undefined) return
    const me: WiredModule = { module: { name: 'graph' }, scope: 'graph', blockUntil: undefined }
    this.graph.scope('graph', () => {
      try {
        userGraph(new ModuleChannels(this.wiring, me))
      } catch (cause) {
        throw connectFailed('graph', cause)
      }
    })
  }

  #addDynamicStates(me: WiredModule): void {
    for (const [name, states] of Object.entries(me.module.dynamicState?.() ?? {})) {
      const channel = this.wiring.channels.get(name)
      if (channel === undefined) {
        throw new ChannelsError(
          'UNKNOWN_CHANNEL',
          `module "${me.module.name}" adds a state to "${name}", which nobody declares: add it to its dynamicChannels`,
          { channel: name, module: me.module.name },
        )
      }
      const list = Array.isArray(states)
        ? (states as readonly StateOptions[])
        : [states as StateOptions]
      for (const state of list) this.wiring.addState(channel, state)
    }
  }

  #stage(channel: WiredChannel): void {
    const slot = channel.slot(undefined)
    const output = slot.sendOutput
    const isList = channel.definition.kind === 'list'
    const options = this.#options
    channel.staging = new Staging(channel.name, options.staging, {
      mint: this.mint,
      release: (areas) => {
        const values: readonly unknown[] = isList
          ? areas.filter(({ length }) => length > 0)
          : areas.flat()
        if (values.length > 0) this.checkSending()
        if (!this.border.hasRoom(values.length)) {
          throw new ChannelsError(
            'OVERLOADED',
            `too much waits for the engine to release "${channel.name}" now`,
            {
              channel: channel.name,
            },
          )
        }
        if (output === undefined) return
        for (const value of values) this.border.push({ entries: [{ output, value }] })
      },
      tell: (events) => {
        for (const event of events) this.#tellStaging(channel, event)
      },
    })
  }

  #tellStaging(channel: WiredChannel, event: StagingEvent): void {
    this.channels.tellStaging(event, (error) =>
      this.#options.onProblem(`a listener to stagings of "${channel.name}" failed`, error),
    )
    const output = channel.stageEvents?.output
    if (output !== undefined && this.ended === undefined) {
      this.border.push({ entries: [{ output, value: event }] })
    }
  }

  /** Where the contract shows dead letters, the gateway itself provides them. */
  #openDeadLetters(): void {
    const channel = this.wiring.channels.get(DEAD_LETTERS)
    if (channel?.definition.schema !== DeadLetter) return
    channel.slot(undefined).takesDeadLetters = true
  }

  #bury({ scope }: WiredModule, error: GraphError, inputs: readonly Edge<unknown>[]): void {
    const cause = error.cause ?? error
    const letter = withMint(this.mint, () =>
      DeadLetter.parse({
        module: scope,
        node: error.path ?? '',
        time: isoOf(error.time ?? this.now),
        cause: cause instanceof Error ? cause.message : String(cause),
        inputs: this.#failedInputs(inputs),
      }),
    )
    this.deadLetters.add(letter)
    const slot = this.wiring.channels.get(DEAD_LETTERS)?.slots.get(undefined)
    if (
      slot?.takesDeadLetters === true &&
      slot.sendOutput !== undefined &&
      this.border.hasRoom(1)
    ) {
      this.border.push({ entries: [{ output: slot.sendOutput, value: letter }] })
    }
  }

  /** What ticked on the channels that a node is computed from: the nearest ones, going up. */
  #failedInputs(inputs: readonly Edge<unknown>[]): DeadLetter['inputs'] {
    this.#slotsByEdge ??= new Map(
      [...this.wiring.channels.values()].flatMap((channel) =>
        channel.allSlots.flatMap((slot) =>
          slot.placeholder === undefined ? [] : [[slot.placeholder, slot] as const],
        ),
      ),
    )
    const found: DeadLetter['inputs'] = []
    const seen = new Set<unknown>()
    const queue = [...inputs]
    for (const edge of queue) {
      if (seen.has(edge.node)) continue
      seen.add(edge.node)
      const slot = this.#slotsByEdge.get(edge)
      if (slot === undefined) {
        queue.push(...edge.node.inputs)
        continue
      }
      const { name, isDynamic, log } = slot.channel
      if (isDynamic) {
        const view = slot.basket?.value
        for (const key of slot.basket?.ticked === true && view !== undefined ? view.ticked : []) {
          found.push({ channel: name, key, value: view?.get(key) })
        }
      } else {
        const input = log?.find(slot.key)?.input
        if (input?.ticked !== true) continue
        found.push({
          channel: name,
          ...(slot.key === undefined ? {} : { key: slot.key }),
          value: input.value,
        })
      }
    }
    return found
  }

  #resend(letter: DeadLetter): void {
    this.checkSending()
    if (letter.inputs.length === 0 || !this.border.hasRoom(1)) {
      throw new ChannelsError(
        letter.inputs.length === 0 ? 'NOT_SENDABLE' : 'OVERLOADED',
        letter.inputs.length === 0
          ? `nothing that came over a channel ticked when "${letter.node}" failed, so nothing can be sent again`
          : 'too much waits for the engine to send it again now',
      )
    }
    this.border.push({
      entries: letter.inputs.map(({ channel, key, value }) => {
        const wired = this.wiring.channels.get(channel) as WiredChannel
        const slot = wired.slot(wired.isDynamic ? undefined : key)
        const output = slot.sendOutput
        if (output === undefined) {
          throw new ChannelsError('NOT_SENDABLE', `"${slot.name}" cannot be sent again`, {
            channel,
          })
        }
        return wired.isDynamic && key !== undefined ? { output, value, key } : { output, value }
      }),
    })
  }
}

/** The contract's channels and those that modules add. */
function definitionsWith(
  contract: Contract<AnyChannels>,
  modules: readonly WiredModule[],
): ReadonlyMap<string, ChannelDefinition> {
  const definitions = new Map(Object.entries(definitionsOf(contract)))
  const added = dynamicDefinitions(modules)
  for (const [name, { definition, module }] of added) {
    const declared = definitions.get(name)
    if (declared !== undefined && !isSame(declared, definition)) {
      throw conflict(name, module, 'the contract')
    }
    definitions.set(name, declared ?? definition)
  }
  if (added.size > 0) {
    const problems = contractProblems(Object.fromEntries(definitions))
    if (problems.length > 0) {
      throw new ChannelsError(
        'INVALID_CONTRACT',
        `the channels that modules add cannot be served: ${problems.join('; ')}`,
      )
    }
  }
  return definitions
}

function dynamicDefinitions(
  modules: readonly WiredModule[],
): ReadonlyMap<string, { readonly definition: ChannelDefinition; readonly module: string }> {
  const added = new Map<string, { definition: ChannelDefinition; module: string }>()
  for (const { module } of modules) {
    for (const [name, channel] of Object.entries(module.dynamicChannels?.() ?? {})) {
      const definition = channel as ChannelDefinition
      const before = added.get(name)
      if (before !== undefined && !isSame(before.definition, definition)) {
        throw conflict(name, module.name, `module "${before.module}"`)
      }
      added.set(name, before ?? { definition, module: module.name })
    }
  }
  return added
}

/** Of the same kind and schema; the options of the first count. */
function isSame(a: ChannelDefinition, b: ChannelDefinition): boolean {
  if (a === b) return true
  const isDynamic = (definition: ChannelDefinition): boolean => definition.dynamic === true
  if (a.kind !== b.kind || isDynamic(a) !== isDynamic(b)) return false
  const element = ({ schema }: ChannelDefinition): unknown =>
    schema.def.type === 'array' ? (schema.def as unknown as { element: unknown }).element : schema
  return element(a) === element(b)
}

function conflict(channel: string, module: string, other: string): ChannelsError {
  return new ChannelsError(
    'CONFLICTING_CHANNEL',
    `module "${module}" adds the channel "${channel}", which ${other} declares with another kind or schema: share the schema, or rename one`,
    { channel, module },
  )
}

/** Gives each module a scope of its own. */
function wiredModules(
  modules: readonly Module<never>[],
  gatewayBlockUntil: Timestamp | undefined,
): readonly WiredModule[] {
  const counts = new Map<string, number>()
  return modules.map((module) => {
    const count = (counts.get(module.name) ?? 0) + 1
    counts.set(module.name, count)
    const blocked = module.blockSetChannelsUntil ?? gatewayBlockUntil
    return {
      module,
      scope: count === 1 ? module.name : `${module.name}#${count}`,
      blockUntil: typeof blocked === 'string' ? timestampOf(blocked) : blocked,
    }
  })
}

function connectFailed(module: string, cause: unknown): ChannelsError {
  if (cause instanceof ChannelsError) return cause.module === undefined ? cause.of(module) : cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ChannelsError(
    'MODULE_FAILED',
    `module "${module}" could not be connected: ${reason}`,
    {
      module,
      cause,
    },
  )
}

function describe(channel: WiredChannel): ChannelDescription {
  const { name, definition, isDynamic, keys, allSlots, states, isStaged } = channel
  const parties = (of: (slot: Slot) => Iterable<string>): readonly string[] => [
    ...new Set(
      allSlots.flatMap((slot) =>
        [...of(slot)].map((party) => (slot.key === undefined ? party : `${party}[${slot.key}]`)),
      ),
    ),
  ]
  const getters = parties((slot) => slot.askers.keys())
  const isProvided = channel.isProvided
  return {
    name,
    kind: definition.kind,
    dynamic: isDynamic,
    keys,
    getters,
    setters: parties((slot) => slot.providers.map(({ party }) => party)),
    feedbacks: parties((slot) => slot.feedbacks),
    states: states.map((state) => state.name),
    sendable: allSlots.some((slot) => slot.isSendable),
    staged: isStaged,
    status: isProvided ? 'wired' : getters.length > 0 ? 'silent' : 'pruned',
  }
}
