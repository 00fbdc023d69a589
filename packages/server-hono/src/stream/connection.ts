import type { ChannelInfo } from '@gw/channels'
import {
  type Acknowledgement,
  type BatchMessage,
  CLOSE_CODE,
  type ClientMessage,
  type ErrorMessage,
  type Identity,
  type MessageId,
  pathOf,
  type SendMessage,
  type SubscribeMessage,
  type UnsubscribeMessage,
} from '@gw/protocol'
import { WebServerError } from '../errors.js'
import { kindOf, send } from '../http/answers.js'
import { requireSend } from '../http/identity.js'
import { problemOf } from '../http/problem.js'
import type { Service } from '../service.js'
import { clientMessage, idIn, type RawMessage, rawMessage } from './client-message.js'
import { textFrame } from './frame.js'
import { HEARTBEAT } from './heartbeat.js'
import type { Session } from './session.js'
import { hearChannel, openSubscription } from './subscribe.js'
import { gatewayWire, referenceWire } from './wire.js'

/** What a client says on its socket, and what it hears in answer. A message with an `id` is always answered. */
export class Connection {
  readonly identity: Identity
  readonly #service: Service
  readonly #session: Session
  readonly #address: string
  /** What came while a subscription waits for other gateways. */
  #waiting: string[] | undefined

  constructor(service: Service, session: Session, identity: Identity, address: string) {
    this.#service = service
    this.#session = session
    this.identity = identity
    this.#address = address
  }

  /**
   * Handles a text message. Nothing that a client says closes the connection, unless it says too much.
   * @returns while what was said keeps those behind it waiting, what to wait for before it is given more.
   */
  receive(text: string): Promise<void> | undefined {
    if (this.#waiting !== undefined) {
      this.#waiting.push(text)
      return undefined
    }
    const wait = this.#handle(text)
    return wait && this.#waitFor(wait)
  }

  /** What was said meanwhile comes in its turn. */
  async #waitFor(wait: Promise<void>): Promise<void> {
    const waiting: string[] = []
    this.#waiting = waiting
    await wait
    for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) {
      await this.#handle(text)
    }
    this.#waiting = undefined
  }

  /** @returns what has to be there before the next message is handled. */
  #handle(text: string): Promise<void> | undefined {
    // Whoever was shut out may take its time to hang up; what it says meanwhile counts no more.
    if (this.#session.isClosed) return undefined
    let raw: RawMessage | undefined
    let fault: unknown
    try {
      raw = rawMessage(text, this.#service.settings.limits)
    } catch (error) {
      fault = error
    }
    const id = fault === undefined ? raw?.id : idIn(text)
    try {
      this.#service.rates?.take(this.identity, this.#address)
    } catch (error) {
      this.#tooMuch(id, error)
      return undefined
    }
    try {
      if (fault !== undefined) throw fault
      if (raw === undefined) return undefined
      const message = clientMessage(raw)
      const heard =
        message.action === 'subscribe'
          ? hearChannel(this.#service, this.identity, message.channel, message.key)
          : undefined
      if (heard !== undefined) {
        return heard
          .then(() => (this.#session.isClosed ? undefined : this.#act(message)))
          .catch((error: unknown) => this.#refuse(id, error))
      }
      const done = this.#act(message)
      if (done !== undefined) void done.catch((error: unknown) => this.#refuse(id, error))
    } catch (error) {
      this.#refuse(id, error)
    }
    return undefined
  }

  /** Answers what went wrong; who gave no `id` does not want to hear of it. */
  #refuse(id: MessageId | undefined, error: unknown): void {
    const problem = problemOf(error)
    const from = { address: this.#address, path: STREAM_PATH }
    this.#service.audit?.refused(problem.body.code, this.identity, from)
    if (problem.fault) this.#service.settings.log.error({ err: error }, 'a message failed')
    if (id === undefined) return
    const { code, detail, errors } = problem.body
    this.#answer({ id, ok: false, code, detail, ...(errors === undefined ? {} : { errors }) })
  }

  /** Who gave no id would not hear that its message is lost, so the connection ends. */
  #tooMuch(id: MessageId | undefined, error: unknown): void {
    if (id !== undefined) {
      this.#refuse(id, error)
      return
    }
    const seconds = Number(problemOf(error).headers['Retry-After'] ?? 1)
    const reason = JSON.stringify({ retryAfterMs: seconds * 1_000 })
    this.#session.close(CLOSE_CODE.LIMIT_REACHED, reason)
  }

  #act(message: ClientMessage): Promise<void> | undefined {
    switch (message.action) {
      case 'subscribe':
        if (message.channel === HEARTBEAT) this.#subscribeHeartbeat(message)
        else if (message.id === undefined) this.#subscribeAsReference(message)
        else this.#subscribe(message, message.id)
        return undefined
      case 'unsubscribe':
        this.#unsubscribe(message)
        return undefined
      case 'send':
        return this.#send(message)
      case 'batch':
        return this.#batch(message)
    }
  }

  #subscribe(message: SubscribeMessage, id: MessageId): void {
    const name = JSON.stringify(id)
    this.#checkNew(name)
    this.#checkCount()
    const { channel, key, from = 'now', where, select, state, mode = 'nonCollapsing' } = message
    const request = { channel, key, from, where, select, state }
    const opening = openSubscription(this.#service, this.identity, request)
    const { position, recovered, info } = opening
    const wire = gatewayWire(channel, id, message.positions === true)
    const kind = kindOf({ info, key })
    const acknowledgement = textFrame(
      JSON.stringify({ id, ok: true, ...position, kind, recovered } satisfies Acknowledgement),
    )
    function* before(): Generator<Buffer> {
      yield acknowledgement
      yield* opening.before(wire, mode)
    }
    const line = opening.feed.line(wire, mode)
    this.#session.subscribe(name, { channel, key, id, line }, before())
  }

  /** Subscribing twice is once, and all keys of a basket hold each of them. */
  #subscribeAsReference({ channel, key }: SubscribeMessage): void {
    const session = this.#session
    const name = referenceName(channel, key)
    if (session.subscriptions.has(name) || session.subscriptions.has(referenceName(channel))) return
    this.#checkCount()
    const request = { channel, key, from: 'now', where: undefined, select: undefined } as const
    const { feed } = openSubscription(this.#service, this.identity, request)
    if (key === undefined) this.#unsubscribeKeys(channel)
    const line = feed.line(referenceWire(channel), 'nonCollapsing')
    session.subscribe(name, { channel, key, id: undefined, line }, NOTHING[Symbol.iterator]())
  }

  #subscribeHeartbeat({ id, key }: SubscribeMessage): void {
    if (key !== undefined) throw new WebServerError('UNKNOWN_KEY', 'heartbeat is no basket')
    const name = id === undefined ? referenceName(HEARTBEAT) : JSON.stringify(id)
    if (id !== undefined) this.#checkNew(name)
    else if (this.#session.subscriptions.has(name)) return
    this.#checkCount()
    const wire = id === undefined ? undefined : gatewayWire(HEARTBEAT, id, false)
    const line = this.#service.hub.heartbeat.line(wire)
    const before = id === undefined ? NOTHING : [textFrame(JSON.stringify({ id, ok: true }))]
    this.#session.subscribe(
      name,
      { channel: HEARTBEAT, key: undefined, id, line },
      before[Symbol.iterator](),
    )
  }

  /** Ends the subscription that was made with the message's id, else all of that channel and key. */
  #unsubscribe({ id, channel, key }: UnsubscribeMessage): void {
    const session = this.#session
    const own = id === undefined ? undefined : session.subscriptions.get(JSON.stringify(id))
    if (own !== undefined && own.channel === channel) session.unsubscribe(JSON.stringify(id))
    else {
      if (key !== undefined) this.#splitBasket(channel, key)
      for (const [name, subscription] of [...session.subscriptions]) {
        if (subscription.channel !== channel) continue
        if (key === undefined || subscription.key === key) {
          // A subscription with an id ends by its id, or by a message that asks for an answer.
          if (subscription.id === undefined || id !== undefined) session.unsubscribe(name)
        }
      }
    }
    if (id !== undefined) this.#answer({ id, ok: true })
  }

  #unsubscribeKeys(channel: string): void {
    for (const [name, subscription] of [...this.#session.subscriptions]) {
      if (subscription.id === undefined && subscription.channel === channel) {
        this.#session.unsubscribe(name)
      }
    }
  }

  /** Takes one key out of a reference's subscription to a whole basket: the other keys stay. */
  #splitBasket(channel: string, key: string): void {
    const { subscriptions } = this.#session
    if (!subscriptions.has(referenceName(channel))) return
    const { served } = this.#service
    const info = served.channels.exactly(channel)
    const keys = info === undefined ? [] : served.keysOf(info)
    if (!keys.includes(key)) return
    // All of the others find room, or it stays as it is: none may be lost.
    this.#checkCount(keys.length - 2)
    this.#session.unsubscribe(referenceName(channel))
    for (const other of keys) {
      if (other !== key) this.#subscribeAsReference({ action: 'subscribe', channel, key: other })
    }
  }

  async #send({ id, channel, key, data, messageId, expect }: SendMessage): Promise<void> {
    const info = this.#infoOf(channel)
    if (data === undefined) {
      throw new WebServerError('BAD_REQUEST', 'a send has data: a record, or a list of records')
    }
    if (key !== undefined && info.kind !== 'basket') {
      throw new WebServerError('UNKNOWN_KEY', `${channel} is no basket, so it has no keys`)
    }
    if (info.kind === 'basket' && key === undefined && id === undefined) return
    const { records, position } = await send(this.#service, { info, key }, this.identity, data, {
      ...(messageId === undefined ? {} : { messageId }),
      ...(expect === undefined ? {} : { expect }),
    })
    if (id === undefined) return
    this.#answer({
      id,
      ok: true,
      ...position,
      kind: kindOf({ info, key }),
      data: records,
      durability: 'memory',
    })
  }

  /** Sends to several channels or keys in one cycle, all or nothing. */
  async #batch({ id, sends, messageId }: BatchMessage): Promise<void> {
    for (const { channel, key } of sends) {
      this.#infoOf(channel)
      requireSend(this.#service, this.identity, channel, key)
    }
    const { access, settings } = this.#service
    const receipts = await access.channelsFor(this.identity).sendBatchAndWait(sends, {
      ...(messageId === undefined ? {} : { messageId }),
      origin: this.identity.name,
      timeoutMs: settings.limits.requestTimeoutMs,
    })
    const data = receipts.flatMap(({ records }) => records)
    this.#answer({ id, ok: true, ...receipts.at(-1)?.position, data, durability: 'memory' })
  }

  #infoOf(channel: string): ChannelInfo {
    const info = this.#service.served.channels.exactly(channel)
    if (info !== undefined) return info
    throw new WebServerError('UNKNOWN_CHANNEL', `no channel is named ${channel}`)
  }

  #checkNew(name: string): void {
    if (!this.#session.subscriptions.has(name)) return
    throw new WebServerError('BAD_REQUEST', `the subscription ${name} is there already`)
  }

  #checkCount(added = 1): void {
    const max = this.#service.settings.limits.maxSubscriptions
    if (this.#session.subscriptions.size + added <= max) return
    throw new WebServerError(
      'TOO_MANY_SUBSCRIPTIONS',
      `a connection has at most ${max} subscriptions`,
    )
  }

  #answer(message: Acknowledgement | ErrorMessage): void {
    this.#session.answer(textFrame(JSON.stringify(message)))
  }
}

const STREAM_PATH: string = pathOf('stream')
const NOTHING: readonly Buffer[] = []

/** Names of the reference's subscriptions, which cannot be those of ids: a JSON text begins otherwise. */
function referenceName(channel: string, key?: string): string {
  return key === undefined ? `*${channel}` : `/${channel}/${key}`
}
