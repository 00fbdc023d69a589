import type {
  Acknowledgement,
  BatchMessage,
  ErrorMessage,
  SendMessage,
  ServerMessage,
} from '@gw/protocol'
import { Connection, type ConnectionOptions, type ConnectionUser } from './connection.js'
import { type CallOptions, watchDeadline } from './deadline.js'
import { closedError, GatewayClientError, messageOf, type RequestInfo } from './errors.js'
import { isPassing, jsonOf } from './rest.js'
import {
  type SubscriptionSink,
  type SubscriptionSpec,
  WireSubscription,
} from './wire-subscription.js'

/** Options of a session. */
export interface SessionOptions extends ConnectionOptions {
  /** Sends that wait for their answers, at most; one more is refused with `OVERLOADED`. @defaultValue 10_000 */
  readonly maxPendingSends?: number
}

interface PendingSend {
  readonly text: string
  readonly request: RequestInfo
  resolve(acknowledgement: Acknowledgement): void
  reject(error: GatewayClientError): void
}

/**
 * Everything that runs over the one socket: subscriptions and sends, told apart by ids. It brings all of them over to the next
 * socket when one is lost. A send is said again until it is answered; its `messageId` keeps the server from doing it twice.
 */
export class Session implements ConnectionUser {
  readonly connection: Connection
  readonly open: ConnectionUser['open']
  readonly diagnose: ConnectionUser['diagnose']
  readonly #options: SessionOptions
  readonly #pending = new Map<number, PendingSend>()
  readonly #subscriptions = new Map<number, WireSubscription>()
  readonly #shared = new Map<string, WireSubscription>()
  #nextId = 1
  #closed = false

  constructor(
    open: ConnectionUser['open'],
    diagnose: ConnectionUser['diagnose'],
    options: SessionOptions,
  ) {
    this.#options = options
    this.open = open
    this.diagnose = diagnose
    this.connection = new Connection(this, options)
  }

  /** Sends, and waits for the acknowledgement. */
  send(
    message: Omit<SendMessage, 'id'> | Omit<BatchMessage, 'id'>,
    request: RequestInfo,
    options: CallOptions,
  ): Promise<Acknowledgement> {
    const id = this.#nextId++
    return new Promise<Acknowledgement>((resolve, reject) => {
      if (this.#closed) return reject(closedError(request))
      if (this.#pending.size >= (this.#options.maxPendingSends ?? 10_000)) {
        const text = 'too many sends wait: await some'
        return reject(new GatewayClientError('OVERLOADED', text, { request }))
      }
      const text = jsonOf({ ...message, id }, request)
      let release: (() => void) | undefined
      const settled =
        <T>(settle: (outcome: T) => void) =>
        (outcome: T): void => {
          release?.()
          this.#pending.delete(id)
          this.#updateNeed()
          settle(outcome)
        }
      const fail = settled(reject)
      this.#pending.set(id, { text, request, resolve: settled(resolve), reject: fail })
      release = watchDeadline(options, request, fail, this.connection)
      if (!this.#pending.has(id)) return // its signal was aborted before
      this.#updateNeed()
      if (this.connection.state === 'live') this.connection.send(text)
    })
  }

  /**
   * Subscribes. Equal subscriptions from now on share one on the wire.
   * @returns what ends it
   * @throws GatewayClientError `CLOSED`
   */
  subscribe(spec: SubscriptionSpec, sink: SubscriptionSink): () => void {
    const request = targetOf('subscribe', spec)
    if (this.#closed) throw closedError(request)
    const { from = 'now', mode = 'nonCollapsing' } = spec
    const id = this.#nextId++
    // Only those from now on have nothing of their own.
    const shareKey = from === 'now' ? jsonOf({ ...spec, from, mode }, request) : `${id}`
    const known = this.#shared.get(shareKey)
    const subscription = known ?? new WireSubscription(id, spec)
    subscription.add(sink)
    if (known === undefined) {
      this.#subscriptions.set(id, subscription)
      this.#shared.set(shareKey, subscription)
      this.#updateNeed()
      if (this.connection.state === 'live') this.#say(subscription.message())
    }
    return () => this.#leave(subscription, sink, shareKey)
  }

  /** Ends everything. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.connection.close(closedError())
  }

  #leave(subscription: WireSubscription, sink: SubscriptionSink, shareKey: string): void {
    if (!subscription.sinks.delete(sink) || subscription.sinks.size > 0) return
    if (this.#shared.get(shareKey) === subscription) this.#shared.delete(shareKey)
    // What the server has not answered yet it may refuse, and then there is nothing to unsubscribe.
    if (this.connection.state !== 'live' || subscription.isAcknowledged) this.#end(subscription)
  }

  #end(subscription: WireSubscription): void {
    this.#subscriptions.delete(subscription.id)
    const { channel, key } = subscription.spec
    if (this.connection.state === 'live' && subscription.isAcknowledged) {
      this.#say({ action: 'unsubscribe', id: subscription.id, channel, key })
    }
    this.#updateNeed()
  }

  #updateNeed(): void {
    this.connection.need(this.#pending.size > 0 || this.#subscriptions.size > 0)
  }

  #say(message: object): void {
    this.connection.send(JSON.stringify(message))
  }

  signOfLife(): string {
    return JSON.stringify({ action: 'unsubscribe', id: this.#nextId++, channel: 'heartbeat' })
  }

  onLive(): void {
    // Subscriptions first, so that they see what the sends do.
    for (const subscription of this.#subscriptions.values()) this.#say(subscription.message())
    for (const { text } of this.#pending.values()) this.connection.send(text)
  }

  onMessage(text: string): void {
    try {
      const message: ServerMessage = JSON.parse(text)
      if ('sub' in message) this.#subscriptions.get(message.sub as number)?.onMessage(message)
      else if ('ok' in message) this.#onAnswer(message)
    } catch (cause) {
      const why = 'no answer of a gateway'
      this.connection.restart(new GatewayClientError('INVALID_ANSWER', why, { cause }))
    }
  }

  #onAnswer(answer: Acknowledgement | ErrorMessage): void {
    const id = answer.id as number
    const pending = this.#pending.get(id)
    const subscription = this.#subscriptions.get(id)
    if (pending !== undefined) {
      if (answer.ok) pending.resolve(answer)
      else pending.reject(refusal(answer, pending.request))
    } else if (subscription !== undefined) {
      if (answer.ok) {
        subscription.onAcknowledged(answer)
        if (subscription.sinks.size === 0) this.#end(subscription)
        return
      }
      const error = refusal(answer, targetOf('subscribe', subscription.spec))
      // A server that starts or is busy takes the subscription later.
      if (isPassing(error)) {
        this.connection.restart(error)
        return
      }
      subscription.fail(error)
      this.#end(subscription)
    }
  }

  onLost(closeCode: number): void {
    for (const subscription of this.#subscriptions.values()) {
      subscription.isAcknowledged = false
      if (subscription.sinks.size === 0) this.#subscriptions.delete(subscription.id)
    }
    if (closeCode !== 1009) return // too large, says RFC 6455
    // Said again, it would end the next connection too.
    const [largest] = [...this.#pending.values()].sort((a, b) => b.text.length - a.text.length)
    const text = 'more than the gateway takes'
    largest?.reject(new GatewayClientError('BODY_TOO_LARGE', text, largest))
  }

  onClosed(error: GatewayClientError): void {
    const waiting = [...this.#pending.values()]
    const subscriptions = [...this.#subscriptions.values()]
    this.#subscriptions.clear()
    this.#shared.clear()
    for (const send of waiting) send.reject(error)
    for (const subscription of subscriptions) subscription.fail(error)
  }
}

function refusal({ code, detail, errors }: ErrorMessage, request: RequestInfo): GatewayClientError {
  return new GatewayClientError(code, messageOf(detail, errors), { detail, errors, request })
}

/** What was asked, for errors. */
export function targetOf(
  action: string,
  { channel, key }: { readonly channel: string; readonly key?: string | undefined },
): RequestInfo {
  return { action, target: key === undefined ? channel : `${channel}/${key}` }
}
