import type { Position } from '@gw/protocol'
import type { Batch, Border, BorderOutput } from './border.js'
import type { ChannelLog, InFlight } from './channel-log.js'
import { ChannelsError } from './errors.js'
import type { SendOptions, SendReceipt } from './live.js'
import type { Slot } from './wired-channel.js'

/** One record on its way to one slot. */
export interface Target {
  readonly slot: Slot
  /** Key of a dynamic basket. */
  readonly key?: string
  readonly value: unknown
}

/** What a sender needs to know of the run. */
export interface SenderRun {
  readonly border: Border
  /** @throws ChannelsError `NOT_RUNNING`, `OVERLOADED` when nothing may be sent now. */
  checkSending(): void
  /** @throws ChannelsError `NOT_RUNNING` when the engine has ended. */
  checkAlive(): void
}

/** Bounds of the window in which a message id is remembered. */
export interface MessageIdLimits {
  readonly maxIds: number
  readonly maxAgeMs: number
}

/** What was sent together: one or several cycles' worth. */
export class Flight {
  readonly records: readonly unknown[]
  /** Positions of the targets, in order, as they come out. */
  readonly positions: (Position | undefined)[]
  error: ChannelsError | undefined
  /** The engine has not taken it, and must not any more. */
  isWithdrawn = false
  #remaining: number
  #waiting: (() => void)[] = []

  constructor(records: readonly unknown[], targets: number) {
    this.records = records
    this.positions = new Array<Position | undefined>(targets).fill(undefined)
    this.#remaining = targets
  }

  get isOver(): boolean {
    return this.#remaining === 0 || this.error !== undefined
  }

  landed(target: number, position: Position): void {
    this.positions[target] = position
    if (--this.#remaining === 0) this.#wake()
  }

  fail(error: ChannelsError): void {
    if (this.isOver) return
    this.error = error
    this.#wake()
  }

  /** Calls `listener` when all has come out, or will not. */
  whenOver(listener: () => void): void {
    if (this.isOver) listener()
    else this.#waiting.push(listener)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const listener of waiting) listener()
  }
}

const origins = new WeakMap<object, string>()

/** Notes who sends a record, or each of a list; what is no object has no room for it. */
export function setOrigin(record: unknown, origin: string | undefined): void {
  if (origin === undefined || typeof record !== 'object' || record === null) return
  origins.set(record, origin)
  if (Array.isArray(record)) for (const each of record) setOrigin(each, origin)
}

/** Name of who sent a record, as given in the options of the send; `undefined` for what a module made. */
export function originOf(record: unknown): string | undefined {
  return typeof record === 'object' && record !== null ? origins.get(record) : undefined
}

/** Hands records to the engine, in order and within bounds, and follows them until they come out. */
export class Sender {
  readonly #run: SenderRun
  readonly #limits: MessageIdLimits
  /** By message id, oldest first. */
  readonly #sent = new Map<string, { readonly flight: Flight; readonly atMs: number }>()
  readonly #flying = new Map<Flight, readonly (readonly [ChannelLog, InFlight])[]>()

  constructor(run: SenderRun, limits: MessageIdLimits) {
    this.#run = run
    this.#limits = limits
  }

  /** The flight of a message that was sent within the window. */
  repeated(scope: string, { messageId, origin }: SendOptions): Flight | undefined {
    if (messageId === undefined) return undefined
    this.#forgetOld()
    return this.#sent.get(idOf(scope, messageId, origin))?.flight
  }

  /**
   * Sends `cycles`, the targets of one cycle each. An idle engine has taken all when this returns.
   * @throws ChannelsError `OVERLOADED`, `NOT_RUNNING`, `POSITION_MISMATCH`, before anything has ticked.
   */
  send(
    scope: string,
    cycles: readonly (readonly Target[])[],
    options: SendOptions = {},
    mayWait = false,
  ): Flight {
    const { border } = this.#run
    this.#run.checkSending()
    if (!border.hasRoom(cycles.length)) {
      throw new ChannelsError(
        'OVERLOADED',
        `${border.pending} sends wait for the engine already: send slower, or wait for each with sendAndWait`,
      )
    }
    const targets = cycles.flat()
    const flight = new Flight(
      targets.map(({ value }) => value),
      targets.length,
    )
    const admit = this.#admission(flight, targets[0], options)
    const flying: (readonly [ChannelLog, InFlight])[] = []
    let count = 0
    for (const cycle of cycles) {
      for (const { slot, value } of cycle) {
        const i = count++
        setOrigin(value, options.origin)
        const log = slot.channel.log as ChannelLog
        const sent: InFlight = { value, cycle, seen: (position) => flight.landed(i, position) }
        flying.push([log, sent])
        log.expect(sent)
      }
    }
    this.#flying.set(flight, flying)
    flight.whenOver(() => this.#over(flight))
    for (const cycle of cycles) {
      border.push({ entries: cycle.map(entryOf), ...(admit === undefined ? {} : { admit }) })
    }
    // The cycle of a record may be the last one, and only half of it.
    this.#run.checkAlive()
    if (!flight.isOver && !mayWait && options.expect !== undefined) {
      flight.isWithdrawn = true
      flight.fail(
        new ChannelsError(
          'OVERLOADED',
          'the engine is busy, so whether the position still holds is not known now: use sendAndWait, or try again',
        ),
      )
    }
    if (flight.error !== undefined) throw flight.error
    if (options.messageId !== undefined) {
      const id = idOf(scope, options.messageId, options.origin)
      this.#sent.set(id, { flight, atMs: performance.now() })
      this.#forgetOld()
      // What was refused was not sent, so it may be sent again.
      flight.whenOver(() => {
        if (flight.error !== undefined) this.#sent.delete(id)
      })
    }
    return flight
  }

  /** The answer to a send: exact when it is over, otherwise the first positions that the records can have. */
  receipt(
    flight: Flight,
    target: number,
    log: ChannelLog,
    key: string | undefined,
  ): SendReceipt<unknown> {
    const { epoch, offset } = log.positionOf(key)
    return {
      records: flight.records,
      position: flight.positions[target] ?? { epoch, offset: offset + log.inFlight },
    }
  }

  /** Ends all flights: the run has ended. */
  close(ended: { readonly error?: unknown }): void {
    for (const flight of [...this.#flying.keys()]) flight.fail(endedError(ended))
  }

  #admission(flight: Flight, first: Target | undefined, { expect }: SendOptions): Batch['admit'] {
    if (expect === undefined || first === undefined) return undefined
    const log = first.slot.channel.log as ChannelLog
    const key = first.key ?? first.slot.key
    let isAdmitted: boolean | undefined
    return () => {
      if (flight.isWithdrawn) return false
      if (isAdmitted === undefined) {
        const position = log.positionOf(key)
        isAdmitted = position.epoch === expect.epoch && position.offset === expect.offset
        if (!isAdmitted) {
          flight.fail(
            new ChannelsError(
              'POSITION_MISMATCH',
              `"${first.slot.name}" is at ${position.epoch}:${position.offset}, not at ${expect.epoch}:${expect.offset}: read it again and decide anew`,
              { channel: first.slot.channel.name },
            ),
          )
        }
      }
      return isAdmitted
    }
  }

  #over(flight: Flight): void {
    const flying = this.#flying.get(flight)
    this.#flying.delete(flight)
    if (flight.error !== undefined && flying !== undefined) {
      for (const [log, sent] of flying) log.forgetInFlight(sent)
    }
  }

  #forgetOld(): void {
    const { maxIds, maxAgeMs } = this.#limits
    const oldest = performance.now() - maxAgeMs
    for (const [id, { atMs }] of this.#sent) {
      if (atMs >= oldest && this.#sent.size <= maxIds) return
      this.#sent.delete(id)
    }
  }
}

function entryOf({ slot, key, value }: Target): Batch['entries'][number] {
  const output = slot.sendOutput as BorderOutput
  return key === undefined ? { output, value } : { output, value, key }
}

/** Message ids are their sender's own: another's answer is nobody else's business. */
function idOf(scope: string, messageId: string, origin = ''): string {
  return `${scope}\0${origin}\0${messageId}`
}

/** The refusal of what comes after the end of a run. */
export function endedError({ error }: { readonly error?: unknown }): ChannelsError {
  return error === undefined
    ? new ChannelsError('NOT_RUNNING', 'the gateway has stopped')
    : new ChannelsError(
        'NOT_RUNNING',
        `the gateway has failed: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      )
}
