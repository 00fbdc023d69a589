import { Graph, isoOf, type NodeContext, type Run, type Timestamp } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { LogBook } from './channel-log.js'
import { connectModules } from './connect.js'
import type { Contract } from './contract.js'
import type { DeadLetters } from './dead-letters.js'
import { describeChannel, type GatewayDescription } from './description.js'
import { ChannelsError } from './errors.js'
import { Failures } from './failures.js'
import { type HistoryLimits, MemoryHistory } from './history.js'
import { RunningChannels } from './live-channels.js'
import { Lookup } from './lookup.js'
import { giveMint, type Mint, mintOf } from './mint.js'
import type { Module } from './module.js'
import { definitionsWith, dynamicKeysOf, wiredModules } from './module-additions.js'
import type { QueryLimits } from './query.js'
import { endedError, Sender } from './sender.js'
import type { SentMessagesLimits } from './sent-messages.js'
import { Staging, type StagingEvent, type StagingLimits } from './staging.js'
import { tapChannels } from './taps.js'
import type { WiredChannel, WiredModule } from './wired-channel.js'
import { Wiring } from './wiring.js'

/** What one run of a gateway is made of. */
export interface RunOptions {
  readonly contract: Contract<AnyChannels>
  /** The enabled ones, in order. */
  readonly modules: readonly Module<never>[]
  readonly disabledModules: readonly string[]
  readonly isRealtime: boolean
  /** The present time at the border; in simulation the engine's. */
  readonly now: (() => Timestamp) | undefined
  readonly idBase: string
  readonly epoch: string
  readonly blockUntil: Timestamp | undefined
  readonly history: HistoryLimits | undefined
  readonly maxLookup: number
  readonly maxKeys: number
  readonly maxPendingSends: number
  readonly maxLag: number | undefined
  readonly maxDeadLetters: number
  readonly staging: StagingLimits
  readonly messageIds: SentMessagesLimits
  readonly queryLimits: QueryLimits | undefined
  /** The engine of a run in real time, once it has begun; it may end in the middle of a send. */
  readonly engine: () => Pick<Run, 'running' | 'failure' | 'lag'> | undefined
  readonly onProblem: (message: string, error: unknown) => void
}

/** One run of a gateway: its graph, wired, and all that the outside sees of it. */
export class GatewayRun {
  readonly graph: Graph = new Graph()
  readonly contract: Contract<AnyChannels>
  readonly wiring: Wiring
  readonly channels: RunningChannels
  readonly sender: Sender
  readonly mint: Mint
  readonly lookup: Lookup | undefined
  readonly maxKeys: number
  readonly readableAfterEnd: boolean
  ended: { readonly error?: unknown } | undefined
  /** Nothing more is let in: the gateway stops. */
  isClosing = false
  readonly #options: RunOptions
  readonly #modules: readonly WiredModule[]
  readonly #refusers: readonly Module<never>[]
  readonly #failures: Failures
  #context: NodeContext | undefined

  constructor(options: RunOptions) {
    const { contract, isRealtime, history } = options
    this.#options = options
    this.contract = contract
    this.readableAfterEnd = !isRealtime
    this.maxKeys = options.maxKeys
    this.mint = mintOf(options.idBase, options.now ?? (() => this.now))
    giveMint(this.graph, this.mint)
    this.lookup = isRealtime ? new Lookup(options.maxLookup) : undefined
    this.#modules = wiredModules(options.modules, options.blockUntil)
    this.#refusers = options.modules.filter(({ refusesSends }) => refusesSends !== undefined)
    const definitions = definitionsWith(contract, this.#modules)
    this.wiring = new Wiring({
      graph: this.graph,
      definitions,
      dynamicKeys: dynamicKeysOf(this.#modules, definitions),
      isRealtime,
      maxPendingSends: options.maxPendingSends,
      blockUntil: options.blockUntil,
      queryLimits: options.queryLimits,
    })
    this.sender = new Sender(this, options.messageIds)
    this.#failures = new Failures(this, this.#modules, options)
    connectModules(this.wiring, this.#modules)
    this.#failures.openDeadLetters()
    this.wiring.finish((slot) => this.#failures.takesResends(slot))
    const book = new LogBook({
      epoch: options.epoch,
      openHistory: history && (() => new MemoryHistory(history)),
      lookup: this.lookup,
      onListenerFailed: this.listenerFailed,
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

  get deadLetters(): DeadLetters {
    return this.#failures.deadLetters
  }

  get onNodeFailure(): Failures['onNodeFailure'] {
    return this.#failures.onNodeFailure
  }

  readonly listenerFailed = (channel: string, error: unknown): void =>
    this.#options.onProblem(`a listener to "${channel}" failed and is not called again`, error)

  /** The error that ended the run, with the channels of a loop that spun. */
  explain(error: unknown): unknown {
    return this.#failures.explain(error)
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
      channels: [...this.wiring.channels.values()].map(describeChannel),
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
    if (output === undefined || this.ended !== undefined) return
    if (this.border.hasRoom(1)) this.border.push({ entries: [{ output, value: event }] })
    else {
      const error = new ChannelsError(
        'OVERLOADED',
        'too much waits for the engine, so the graph is not told of a change of a staging',
        { channel: channel.name },
      )
      this.#options.onProblem(error.message, error)
    }
  }
}
