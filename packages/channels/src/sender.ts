import type { Position } from '@gw/protocol'
import type { Batch, Border, BorderOutput } from './border.js'
import type { ChannelLog, InFlight, SentCycle } from './channel-log.js'
import { ChannelsError } from './errors.js'
import type { SendOptions, SendReceipt } from './live.js'
import { setOrigin } from './origin.js'
import { SentMessages, type SentMessagesLimits } from './sent-messages.js'
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

/** How records are sent. */
export interface Sending {
  /** To a basket as a whole: it is the position of all its keys that a send may expect. */
  readonly isWhole?: boolean
  /** Whoever sends waits for the engine, should it be busy. */
  readonly mayWait?: boolean
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
  add({ slot, key = slot.key, value }: Target, cycle: SentCycle): void {
    const log = slot.channel.log as ChannelLog
    const leg = new Leg(this, log, key, value, cycle)
    this.records.push(value)
    this.#legs.push(leg)
    log.expect(leg)
  }

  /** Where a record has come out. */
  positionOf(target: number): Position | undefined {
    return this.#legs[target]?.position
  }

  /** How many ticks of all keys of its basket there were when all had come out. */
  get total(): number | undefined {
    return this.isOver && this.#legs.length > 0
      ? this.#legs.reduce((most, { total }) => Math.max(most, total), 0)
      : undefined
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
  readonly key: string | undefined
  value: unknown
  readonly cycle: SentCycle
  /** Where it has come out, and how many ticks its channel had then. */
  position: Position | undefined
  total = 0
  readonly #flight: Flight

  constructor(
    flight: Flight,
    log: ChannelLog,
    key: string | undefined,
    value: unknown,
    cycle: SentCycle,
  ) {
    this.#flight = flight
    this.log = log
    this.key = key
    this.value = value
    this.cycle = cycle
  }

  seen(position: Position): void {
    this.position = position
    this.total = this.log.total
    // The answer is remembered for a while; what nodes have made of the record need not be.
    this.value = undefined
    this.#flight.landed()
  }
}

/** Hands records to the engine, in order and within bounds, and follows them until they come out. */
export class Sender {
  readonly #run: SenderRun
  readonly #sent: SentMessages
  readonly #flying = new Set<Flight>()

  constructor(run: SenderRun, limits: SentMessagesLimits) {
    this.#run = run
    this.#sent = new SentMessages(limits)
  }

  /** The flight of a message that was sent within the window. */
  repeated(scope: string, { messageId, origin }: SendOptions): Flight | undefined {
    return messageId === undefined ? undefined : this.#sent.find(idOf(scope, messageId, origin))
  }

  /**
   * Sends `cycles`, the targets of one cycle each. An idle engine has taken all when this returns.
   * @throws ChannelsError `OVERLOADED`, `NOT_RUNNING`, `POSITION_MISMATCH`, before anything has ticked.
   */
  send(
    scope: string,
    cycles: readonly (readonly Target[])[],
    options: SendOptions = {},
    { isWhole = false, mayWait = false }: Sending = {},
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
    const admit = this.#admission(flight, cycles[0]?.[0], options, isWhole)
    const sent = cycles.map((targets): SentCycle => {
      const cycle = { hasBegun: false }
      for (const target of targets) {
        setOrigin(target.value, options.origin)
        flight.add(target, cycle)
      }
      return cycle
    })
    cycles.forEach((targets, i) => {
      const cycle = sent[i] as SentCycle
      border.push({
        entries: targets.map(entryOf),
        admit: () => {
          if (admit?.() === false) return false
          cycle.hasBegun = true
          return true
        },
      })
    })
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
      this.#sent.add(idOf(scope, options.messageId, options.origin), flight)
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

  /** The answer to a send to a whole basket. */
  wholeReceipt(flight: Flight, log: ChannelLog): SendReceipt<unknown> {
    const offset = flight.total ?? log.total + log.inFlight
    return { records: flight.records, position: { epoch: log.epoch, offset } }
  }

  /** Ends all flights: the run has ended. */
  close(ended: { readonly error?: unknown }): void {
    for (const flight of [...this.#flying]) flight.fail(endedError(ended))
  }

  #admission(
    flight: Flight,
    first: Target | undefined,
    { expect }: SendOptions,
    isWhole: boolean,
  ): Batch['admit'] {
    if (expect === undefined || first === undefined) return undefined
    const { channel } = first.slot
    const log = channel.log as ChannelLog
    const key = isWhole ? undefined : (first.key ?? first.slot.key)
    const name = key === undefined ? channel.name : `${channel.name}/${key}`
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
              `"${name}" is at ${position.epoch}:${position.offset}, not at ${expect.epoch}:${expect.offset}: read it again and decide anew`,
              { channel: channel.name, ...(key === undefined ? {} : { key }) },
            ),
          )
        }
      }
      return isAdmitted
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
