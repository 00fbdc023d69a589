import type {
  Acknowledgement,
  DataMessage,
  DeliveryMode,
  Filter,
  From,
  GapMessage,
  Position,
  ProgressMessage,
  RemovedMessage,
  SnapshotEndMessage,
  StateMessage,
  SubscribeMessage,
} from '@gw/protocol'
import type { GatewayClientError } from './errors.js'
import type { SubscriptionEvent } from './events.js'

/** What is subscribed to. */
export interface SubscriptionSpec {
  readonly channel: string
  readonly key?: string | undefined
  readonly where?: Filter | undefined
  readonly select?: readonly string[] | undefined
  readonly mode?: DeliveryMode | undefined
  readonly from?: From | undefined
  /** The state that the reader keeps a copy of. */
  readonly state?: string | undefined
}

/** Who reads a subscription. */
export interface SubscriptionSink {
  /** The server has it running: no tick from here on is missed. */
  onReady(): void
  onEvent(event: SubscriptionEvent): void
  onError(error: GatewayClientError): void
}

/** What the server says on a subscription. */
export type SubscriptionMessage =
  | DataMessage
  | SnapshotEndMessage
  | GapMessage
  | RemovedMessage
  | StateMessage
  | ProgressMessage

/**
 * One subscription on the wire, for all who read the same: it knows how far it has come, asks for the rest after a loss, and
 * turns what comes into events, each once.
 */
export class WireSubscription {
  readonly id: number
  readonly spec: SubscriptionSpec
  readonly sinks: Set<SubscriptionSink> = new Set()
  /** Whether the server has said yes on this connection. */
  isAcknowledged = false
  #ready = false
  /** How far it has come: where it resumes. */
  #position: Position | undefined
  /** Records of a snapshot are coming, whose end gives the position. */
  #inSnapshot = false

  constructor(id: number, spec: SubscriptionSpec) {
    this.id = id
    this.spec = spec
    if (typeof spec.from === 'object' && 'epoch' in spec.from) this.#position = spec.from
  }

  /** Adds a reader. It starts where the others are now, so only subscriptions from now are shared. */
  add(sink: SubscriptionSink): void {
    this.sinks.add(sink)
    if (this.#ready) queueMicrotask(() => this.sinks.has(sink) && sink.onReady())
  }

  /** What to say on a new connection. */
  message(): SubscribeMessage {
    const { id, spec } = this
    const from = this.#position ?? spec.from
    // JSON leaves out what is undefined.
    return { action: 'subscribe', ...spec, id, from, positions: true } as SubscribeMessage
  }

  onAcknowledged(acknowledgement: Acknowledgement): void {
    this.isAcknowledged = true
    const start = positionOf(acknowledgement)
    const { recovered } = acknowledgement
    const resumed = this.#position
    // What follows comes from before `start`, which is where the channel is now.
    const isFromPast = resumed !== undefined || isTime(this.spec.from)
    const lost = isFromPast ? recovered === false : this.#ready && !this.#inSnapshot
    if (lost) {
      const sameEpoch = resumed !== undefined && resumed.epoch === start?.epoch
      const range = sameEpoch ? { from: resumed.offset + 1, to: start.offset } : {}
      this.#emit({ type: 'gap', ...range, reason: 'history' })
    }
    this.#inSnapshot = this.spec.from === 'snapshot' && (lost || resumed === undefined)
    if (this.#inSnapshot) this.#emit({ type: 'snapshotStart' })
    if (this.#inSnapshot) this.#position = undefined
    else if (lost || !isFromPast) this.#position = start
    if (this.#ready) return
    this.#ready = true
    for (const sink of this.sinks) sink.onReady()
  }

  onMessage(message: SubscriptionMessage): void {
    if ('data' in message) this.#onData(message)
    else if ('stateVersion' in message) {
      this.#emit({ type: 'state', version: message.stateVersion } as never)
    } else if ('progress' in message) this.#advance(message.progress)
    else if ('gap' in message) {
      const { from, to, reason } = message.gap
      // What is missing is not asked for again.
      if (this.#position !== undefined) this.#advance({ ...this.#position, offset: to })
      this.#emit({ type: 'gap', key: message.key, from, to, reason })
    } else if ('removed' in message) this.#emit({ type: 'removed', key: message.key })
    else if (this.#inSnapshot) {
      this.#inSnapshot = false
      const position = positionOf(message) as Position
      this.#position = position
      this.#emit({ type: 'snapshotEnd', position })
    }
  }

  fail(error: GatewayClientError): void {
    for (const sink of [...this.sinks]) sink.onError(error)
    this.sinks.clear()
  }

  #onData(message: DataMessage): void {
    const { data, kind, key, snapshot } = message
    // A reader from now on who has lost ticks knows of the gap; the snapshot that follows would repeat what it has.
    if (snapshot && !this.#inSnapshot) return
    const position = positionOf(message)
    if (!snapshot && position !== undefined && !this.#advance(position)) return
    this.#emit({
      type: 'data',
      value: kind === 'list' || this.spec.mode === 'burst' ? data : data[0],
      key,
      position,
      snapshot,
    })
  }

  /** @returns false when the place was passed before, so that what stands there is a repetition */
  #advance(position: Position): boolean {
    const known = this.#position
    if (known?.epoch === position.epoch && position.offset <= known.offset) return false
    if (!this.#inSnapshot) this.#position = position
    return true
  }

  #emit(event: SubscriptionEvent): void {
    for (const sink of this.sinks) sink.onEvent(event)
  }
}

/** The place that a message names. */
export function positionOf({ epoch, offset }: Partial<Position>): Position | undefined {
  return epoch === undefined || offset === undefined ? undefined : { epoch, offset }
}

function isTime(from: From | undefined): boolean {
  return typeof from === 'object' && 'time' in from
}
