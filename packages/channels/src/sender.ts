import type { Position } from '@gw/protocol'
import type { Batch, Border, BorderOutput } from './border.js'
import type { ChannelLog, InFlight } from './channel-log.js'
import { ChannelsError } from './errors.js'
import type { SendOptions, SendReceipt } from './live.js'
import { setOrigin } from './origin.js'
import type { Slot } from './wired-channel.js'

/** One record on its way to one slot. */
export interface Target {
  readonly slot: Slot
  /** Key of a dynamic basket. */
  readonly key?: string | undefined
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
  readonly records: unknown[] = []
  error: ChannelsError | undefined
  /** The engine has not taken it, and must not any more. */
  isWithdrawn = false
  readonly #legs: Leg[] = []
  #landed = 0
  #waiting: (() => void)[] = []

  get isOver(): boolean {
    return this.#landed === this.#legs.length || this.error !== undefined
  }

  /** Takes a record along, of which its channel's log will tell. */
  add(log: ChannelLog, value: unknown, cycle: object): void {
    const leg = new Leg(this, log, value, cycle)
    this.records.push(value)
    this.#legs.push(leg)
    log.expect(leg)
  }

  /** Where a record has come out. */
  positionOf(target: number): Position | undefined {
    return this.#legs[target]?.position
  }

  /** @internal */
  landed(): void {
    if (++this.#landed === this.#legs.length) this.#wake()
  }

  fail(error: ChannelsError): void {
    if (this.isOver) return
    this.error = error
    for (const leg of this.#legs) leg.log.forgetInFlight(leg)
    this.#wake()
  }

  /** Calls `listener` when all has come out, or will not. */
  whenOver(listener: () => void): void {
    if (this.isOver) listener()
    else this.#waiting.push(listener)
  }

  #wake(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    for (const listener of waiting) listener()
  }
}

/** One record of a flight. */
class Leg implements InFlight {
  readonly log: ChannelLog
  value: unknown
  readonly cycle: object
  /** Where it has come out. */
  position: Position | undefined
  readonly #flight: Flight

  constructor(flight: Flight, log: ChannelLog, value: unknown, cycle: object) {
    this.#flight = flight
    this.log = log
    this.value = value
    this.cycle = cycle
  }

  seen(position: Position): void {
    this.position = position
    this.#flight.landed()
  }
}

/** Hands records to the engine, in order and within bounds, and follows them until they come out. */
export class Sender {
  readonly #run: SenderRun
  readonly #limits: MessageIdLimits
  /** By message id, oldest first. */
  readonly #sent = new Map<string, { readonly flight: Flight; readonly atMs: number }>()
  readonly #flying = new Set<Flight>()

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
    const flight = new Flight()
    const admit = this.#admission(flight, cycles[0]?.[0], options)
    for (const cycle of cycles) {
      for (const { slot, value } of cycle) {
        setOrigin(value, options.origin)
        flight.add(slot.channel.log as ChannelLog, value, cycle)
      }
    }
    for (const cycle of cycles) {
      const entries = cycle.map(entryOf)
      border.push(admit === undefined ? { entries } : { entries, admit })
    }
    // The cycle of a record may be the last one, and only half of it.
    this.#run.checkAlive()
    if (!flight.isOver) {
      this.#flying.add(flight)
      flight.whenOver(() => this.#flying.delete(flight))
    }
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
      position: flight.positionOf(target) ?? { epoch, offset: offset + log.inFlight },
    }
  }

  /** Ends all flights: the run has ended. */
  close(ended: { readonly error?: unknown }): void {
    for (const flight of [...this.#flying]) flight.fail(endedError(ended))
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
