import { type Edge, type GraphError, isoOf, type RealtimeOptions, type Timestamp } from '@gw/core'
import type { Border } from './border.js'
import { DEAD_LETTERS, DeadLetter, DeadLetters } from './dead-letters.js'
import { ChannelsError } from './errors.js'
import { type Mint, withMint } from './mint.js'
import type { ErrorPolicy } from './module.js'
import type { Slot, WiredChannel, WiredModule } from './wired-channel.js'
import type { Wiring } from './wiring.js'

/** What the failures of a run need of it. */
export interface FailingRun {
  readonly wiring: Wiring
  readonly border: Border
  readonly mint: Mint
  /** Engine time. */
  readonly now: Timestamp
  readonly ended: { readonly error?: unknown } | undefined
  /** @throws ChannelsError when nothing may be sent now. */
  checkSending(): void
}

/** Options of {@link Failures}. */
export interface FailuresOptions {
  readonly maxDeadLetters: number
  readonly onProblem: (message: string, error: unknown) => void
}

type FailureHook = NonNullable<RealtimeOptions['onNodeFailure']>

/** What becomes of a run when a node of a module throws: what the module's policy says. */
export class Failures {
  readonly deadLetters: DeadLetters
  readonly #run: FailingRun
  readonly #modules: readonly WiredModule[]
  readonly #options: FailuresOptions
  readonly #burying: ReadonlySet<string>
  #slotsByEdge: ReadonlyMap<Edge<unknown>, Slot> | undefined

  constructor(run: FailingRun, modules: readonly WiredModule[], options: FailuresOptions) {
    this.#run = run
    this.#modules = modules
    this.#options = options
    this.#burying = new Set(
      modules.filter(({ module }) => module.onError === 'deadLetter').map(({ scope }) => scope),
    )
    this.deadLetters = new DeadLetters({
      max: options.maxDeadLetters,
      resend: (letter) => this.#resend(letter),
      tell: (letter) => this.#tell(letter),
    })
  }

  /** Where the contract shows dead letters, the gateway itself provides them. */
  openDeadLetters(): void {
    const channel = this.#run.wiring.channels.get(DEAD_LETTERS)
    if (channel?.definition.schema !== DeadLetter) return
    channel.slot(undefined).takesDeadLetters = true
  }

  /** Whether dead letters may be sent to it again. */
  takesResends(slot: Slot): boolean {
    return [...slot.askers.keys()].some((scope) => this.#burying.has(scope))
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
    const ticks = ({ keyLog, channel }: Slot): boolean =>
      keyLog?.input?.time === time || channel.isDynamic
    const loops = this.#run.wiring.loops().filter(ticks)
    const all = [...this.#run.wiring.channels.values()].flatMap(({ allSlots }) => allSlots)
    // What an alarm or the outside drives is no loop of the wiring.
    const spinning =
      loops.length > 0 ? loops : all.filter(({ keyLog }) => keyLog?.input?.time === time)
    const [first] = spinning
    if (first === undefined) return error
    const names = spinning.map(({ name }) => `"${name}"`).join(', ')
    const what =
      loops.length > 0
        ? `the loop over ${names} ticks`
        : `${names} tick${spinning.length === 1 ? 's' : ''}`
    return new ChannelsError(
      'SPINNING',
      `${what} again at once, for ever: give it a delay, or a way to end. ${message ?? ''}`,
      { channel: first.channel.name, cause: error },
    )
  }

  #bury({ scope }: WiredModule, error: GraphError, inputs: readonly Edge<unknown>[]): void {
    const cause = error.cause ?? error
    const letter = withMint(this.#run.mint, () =>
      DeadLetter.parse({
        module: scope,
        node: error.path ?? '',
        time: isoOf(error.time ?? this.#run.now),
        cause: cause instanceof Error ? cause.message : String(cause),
        inputs: this.#failedInputs(inputs),
      }),
    )
    this.deadLetters.add(letter)
  }

  /** Ticks a letter where the contract shows dead letters. */
  #tell(letter: DeadLetter): void {
    const slot = this.#run.wiring.channels.get(DEAD_LETTERS)?.slots.get(undefined)
    if (slot?.takesDeadLetters !== true || slot.sendOutput === undefined) return
    if (this.#run.ended === undefined && this.#run.border.hasRoom(1)) {
      this.#run.border.push({ entries: [{ output: slot.sendOutput, value: letter }] })
    }
  }

  /** What ticked on the channels that a node is computed from: the nearest ones, going up. */
  #failedInputs(inputs: readonly Edge<unknown>[]): DeadLetter['inputs'] {
    this.#slotsByEdge ??= new Map(
      [...this.#run.wiring.channels.values()].flatMap((channel) =>
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
    this.#run.checkSending()
    if (letter.inputs.length === 0 || !this.#run.border.hasRoom(1)) {
      throw new ChannelsError(
        letter.inputs.length === 0 ? 'NOT_SENDABLE' : 'OVERLOADED',
        letter.inputs.length === 0
          ? `nothing that came over a channel ticked when "${letter.node}" failed, so nothing can be sent again`
          : 'too much waits for the engine to send it again now',
      )
    }
    this.#run.border.push({
      entries: letter.inputs.map(({ channel, key, value }) => {
        const wired = this.#run.wiring.channels.get(channel) as WiredChannel
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
