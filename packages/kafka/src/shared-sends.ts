import { randomUUID } from 'node:crypto'
import {
  type BatchSend,
  ChannelsError,
  type LiveChannels,
  type SendOptions,
  type SendReceipt,
  type WaitOptions,
} from '@gw/channels'
import { type AnyChannels, isMessageId, MAX_MESSAGE_ID_LENGTH, type Position } from '@gw/protocol'
import { KafkaError } from './errors.js'
import { type MessageName, MessageTakers, type MessageTakersOptions } from './message-takers.js'
import { OnceById, type StillWanted } from './once-by-id.js'
import { type PeerHandlers, refusalOf } from './peers.js'
import { attributeOf } from './publisher.js'
import { type Call, channelsOf, type Receipts, scopeOf } from './send-call.js'
import { type SendOutcome, type SendQuestion, SendQueue, type SendsQuestion } from './send-queue.js'

const KNOWN_BYTES = 64 * 2 ** 20
/** How long the engine may take to run what it was sent. */
const ENGINE_MS = 10_000

/** A message whose records have no owner, to the gateway that takes it. */
interface MessageQuestion extends MessageName {
  /** Id of that gateway. */
  readonly to: string
  readonly call: Call
  readonly expect?: Position
}

/** A send that is being taken. */
interface Taking {
  readonly asked: SendQuestion
  readonly stillWanted: StillWanted
  readonly resolve: (receipts: Receipts) => void
  readonly reject: (error: unknown) => void
}

export interface SharedSendsOptions extends MessageTakersOptions {
  readonly channels: LiveChannels<AnyChannels>
  /** By channel, the attribute that says to whom a record belongs. */
  readonly by: Readonly<Record<string, string | undefined>>
  /** How long an owner of records may be waited for. */
  readonly ownerTimeoutMs: number
  /** How far a gateway had come at a position that was told here. */
  readonly placeAt: (
    channel: string,
    key: string | undefined,
    position: Position,
    id: string,
  ) => Position
  /** Does something as a unit of work on a partition that is ours. @throws KafkaError `NOT_OWNED`, `FENCED`. */
  readonly inUnit: (partition: number, work: () => Promise<void>) => Promise<void>
}

/** Sends to channels whose records belong to one of several gateways: validated here, taken by the owner, answered when committed. */
export class SharedSends {
  readonly #options: SharedSendsOptions
  /** What is sent here as owner. */
  readonly #taking: OnceById<Receipts>
  readonly #takers: MessageTakers
  /** By partition. */
  readonly #queues = new Map<number, SendQueue>()
  /** What is sent from here has ids like nobody else's. */
  readonly #name = randomUUID()
  #serial = 0

  constructor(options: SharedSendsOptions) {
    this.#options = options
    this.#taking = new OnceById({ maxBytes: KNOWN_BYTES })
    this.#takers = new MessageTakers(options)
  }

  /** Each record goes to its owner; those of one owner are taken together, in order. */
  async sendAllAndWait(
    channel: string,
    inputs: readonly unknown[],
    key?: string,
    options: SendOptions & WaitOptions = {},
  ): Promise<SendReceipt<unknown>> {
    const { channels } = this.#options
    const here = async (): Promise<SendReceipt<unknown>> =>
      channels.sendAllAndWait(channel, inputs, key, this.#expectingHere(channel, key, options))
    const call = { name: 'sendAll', channel, key, inputs } as const
    if (!this.hasOwners(channel)) {
      const [receipt] = await this.#sendOfNobody(call, options, async () => [await here()])
      return receipt as SendReceipt<unknown>
    }
    const [completed = []] = this.#allowed(call, options)
    const owned = await this.ownersOf(channel, completed)
    const groups = placesByOwner(owned)
    if (groups.size === 0) return here()
    if (groups.size > 1 && options.expect !== undefined) throw severalOwners('"expect"')
    const records: unknown[] = []
    const sent = await Promise.all(
      [...groups].map(async ([partition, places]) => {
        const mine = { ...call, inputs: places.map((at) => inputs[at]) }
        const [receipt] = (await this.#send(partition, mine, options, scopeOf(call))) as [
          SendReceipt<unknown>,
        ]
        places.forEach((at, i) => {
          records[at] = receipt.records[i]
        })
        return [partition, receipt.position] as const
      }),
    )
    const position = new Map(sent).get(owned.at(-1) as number) as Position
    return { records, position }
  }

  /** The records of a basket, by key, each to its owner. */
  async sendBasketAndWait(
    channel: string,
    inputs: { readonly [key: string]: unknown },
    options: SendOptions & WaitOptions = {},
  ): Promise<SendReceipt<unknown>> {
    const { channels } = this.#options
    const keys = Object.keys(inputs)
    const call = { name: 'sendBasket', channel, inputs } as const
    if (!this.hasOwners(channel) || keys.length === 0) {
      const [receipt] = await this.#sendOfNobody(call, options, async () => {
        const expecting = this.#expectingHere(channel, undefined, options)
        return [await channels.sendBasketAndWait(channel, inputs, expecting)]
      })
      return receipt as SendReceipt<unknown>
    }
    const completed = this.#allowed(call, options)
    const owned: number[] = []
    for (const [i, key] of keys.entries()) {
      const [owner, ...others] = await this.ownersOf(channel, completed[i] ?? [])
      if (others.some((other) => other !== owner)) throw severalOwners(`the list of "${key}"`)
      owned.push(owner ?? 0)
    }
    const groups = placesByOwner(owned)
    if (groups.size > 1 && options.expect !== undefined) throw severalOwners('"expect"')
    const records: unknown[][] = []
    let position: Position | undefined
    await Promise.all(
      [...groups].map(async ([partition, places]) => {
        const mine = Object.fromEntries(
          places.map((at) => [keys[at] as string, inputs[keys[at] as string]]),
        )
        const part = { ...call, inputs: mine }
        const [receipt] = (await this.#send(partition, part, options, scopeOf(call))) as [
          SendReceipt<unknown>,
        ]
        position = receipt.position
        // Of baskets of lists a key has several, which the first of them stands for.
        const each = receipt.records.length === places.length
        places.forEach((at, i) => {
          records[at] = each ? [receipt.records[i]] : i === 0 ? [...receipt.records] : []
        })
      }),
    )
    return { records: records.flat(), position: position as Position }
  }

  /** A batch is one cycle, so its records have one owner. @throws ChannelsError `BAD_REQUEST` otherwise. */
  async sendBatchAndWait(
    sends: readonly BatchSend[],
    options: SendOptions & WaitOptions = {},
  ): Promise<Receipts> {
    const { channels } = this.#options
    const call = { name: 'sendBatch', sends } as const
    const here = (): Promise<Receipts> => channels.sendBatchAndWait(sends, options)
    if (!sends.some(({ channel }) => this.hasOwners(channel))) {
      return this.#sendOfNobody(call, options, here)
    }
    const completed = this.#allowed(call, options)
    const owners = new Set<number>()
    for (const [i, { channel }] of sends.entries()) {
      if (!this.hasOwners(channel)) continue
      for (const owner of await this.ownersOf(channel, completed[i] ?? [])) owners.add(owner)
    }
    const [partition] = owners
    if (partition === undefined) return here()
    if (owners.size > 1) throw severalOwners('a batch')
    return this.#send(partition, call, options, scopeOf(call))
  }

  /**
   * Has staged records of one owner tick there, of a list channel as one list.
   * @param origins of each record.
   * @param messageId another try of the same release has the same.
   */
  async release(
    channel: string,
    partition: number,
    records: readonly unknown[],
    origins: readonly (string | undefined)[],
    messageId: string,
  ): Promise<void> {
    const told = origins.map((origin) => origin ?? null)
    const call: Call = { name: 'release', channel, inputs: records, origins: told }
    await this.#send(partition, call, { messageId }, scopeOf(call))
  }

  /** What this gateway answers to another that asks. */
  readonly answers: PeerHandlers = {
    sends: (question) => this.#take(question as SendsQuestion),
    taker: (question) => this.#takers.answer(question),
    message: (question) => this.#takeMessage(question as MessageQuestion),
  }

  /** Takes a message that is this gateway's to take. @throws KafkaError `NOT_OWNED`; ChannelsError as the channels do. */
  async #takeMessage({ to, call, messageId, expect, origin }: MessageQuestion): Promise<Receipts> {
    if (to !== this.#options.calls.id) throw new KafkaError('NOT_OWNED', `${to} is not here`)
    return this.#do(call, {
      messageId,
      ...(expect === undefined ? {} : { expect }),
      ...(origin === undefined ? {} : { origin }),
    })
  }

  /** Takes what is ours, in order, as one unit of work. @throws KafkaError `NOT_OWNED`, `FENCED` when it is to be asked for anew. */
  async #take({ partition, sends }: SendsQuestion): Promise<readonly SendOutcome[]> {
    const fresh: Taking[] = []
    const taken = sends.map((asked) =>
      this.#taking.do(
        asked.id,
        asked.forMs,
        (stillWanted) =>
          new Promise((resolve, reject) => {
            fresh.push({ asked, stillWanted, resolve, reject })
          }),
      ),
    )
    const outcomes = Promise.allSettled(taken)
    if (fresh.length > 0) await this.#takeInUnit(partition, fresh)
    return (await outcomes).map((outcome): SendOutcome => {
      if (outcome.status === 'fulfilled') return { receipts: outcome.value }
      if (outcome.reason instanceof ChannelsError) return { refusal: refusalOf(outcome.reason) }
      throw outcome.reason
    })
  }

  async #takeInUnit(partition: number, fresh: readonly Taking[]): Promise<void> {
    const settled: (() => void)[] = []
    try {
      await this.#options.inUnit(partition, async () => {
        for (const { asked, stillWanted, resolve, reject } of fresh) {
          try {
            // It may have waited for others that could not be committed.
            stillWanted()
            const { call, expect, origin } = asked
            const receipts = await this.#do(call, {
              ...(expect === undefined ? {} : { expect }),
              ...(origin === undefined ? {} : { origin }),
            })
            settled.push(() => resolve(receipts))
          } catch (error) {
            // Nothing was sent, so there is nothing to undo.
            settled.push(() => reject(error))
          }
        }
      })
      for (const settle of settled) settle()
    } catch (error) {
      for (const { reject } of fresh) reject(error)
    }
  }

  async #do(call: Call, options: SendOptions): Promise<Receipts> {
    const { channels } = this.#options
    const bounded = { ...options, timeoutMs: ENGINE_MS }
    switch (call.name) {
      case 'sendAll':
        return [await channels.sendAllAndWait(call.channel, call.inputs, call.key, bounded)]
      case 'sendBasket':
        return [await channels.sendBasketAndWait(call.channel, call.inputs, bounded)]
      case 'sendBatch':
        return channels.sendBatchAndWait(call.sends, bounded)
      case 'release': {
        const origins = call.origins.map((origin) => origin ?? undefined)
        const { timeoutMs } = bounded
        return [await channels.releaseAndWait(call.channel, call.inputs, { origins, timeoutMs })]
      }
    }
  }

  async #send(
    partition: number,
    call: Call,
    options: SendOptions,
    scope: unknown,
  ): Promise<Receipts> {
    const { messageId, origin } = options
    if (messageId !== undefined && !isMessageId(messageId)) throw noMessageId()
    const id = JSON.stringify([messageId ?? this.#newId(), partition, scope, origin])
    return this.#queueOf(partition).send({
      call,
      id,
      ...(origin === undefined ? {} : { origin }),
      expectAt: (owner) => this.#expected(call, options, owner),
    })
  }

  #queueOf(partition: number): SendQueue {
    const { calls, ownerTimeoutMs } = this.#options
    let queue = this.#queues.get(partition)
    if (queue === undefined) {
      const take = (question: SendsQuestion) => this.#take(question)
      queue = new SendQueue({ calls, partition, ownerTimeoutMs, take })
      this.#queues.set(partition, queue)
    }
    return queue
  }

  /** Sends what has no owner: here, and where it has a message id at the gateway that takes that. */
  async #sendOfNobody(
    call: Call,
    options: SendOptions,
    here: () => Promise<Receipts>,
  ): Promise<Receipts> {
    const { messageId, origin } = options
    if (messageId === undefined || !isMessageId(messageId)) return here()
    // Who takes it has no way to ask whether the records are allowed.
    this.#allowed(call, options)
    const message = { messageId, ...(origin === undefined ? {} : { origin }) }
    const ask = (to: string): MessageQuestion => {
      const expect = this.#expected(call, options, to)
      return { to, call, ...message, ...(expect === undefined ? {} : { expect }) }
    }
    return this.#takers.atTaker(message, channelsOf(call), 'message', ask, here)
  }

  /** The records of a call, complete, by key or send where it has several: all are valid, and may be sent. @throws as the call does. */
  #allowed(call: Call, { check }: SendOptions): readonly (readonly unknown[])[] {
    const { channels } = this.#options
    const allow = (records: readonly unknown[], channel: string, key: string | undefined) => {
      for (const record of records) check?.(record, channel, key)
      return records
    }
    switch (call.name) {
      case 'sendAll': {
        const { channel, inputs, key } = call
        return [allow(channels.complete(channel, inputs, key), channel, key)]
      }
      case 'sendBasket': {
        const { channel, inputs } = call
        const completed = channels.completeBasket(channel, inputs)
        return Object.keys(inputs).map((key) => allow(completed[key] ?? [], channel, key))
      }
      case 'sendBatch': {
        const completed = channels.completeBatch(call.sends)
        return call.sends.map(({ channel, key }, i) => allow(completed[i] ?? [], channel, key))
      }
      case 'release':
        return [call.inputs]
    }
  }

  /** What the position that a send expects says of a gateway's part of the channel, or of the key, that it is to. */
  #expected(call: Call, options: SendOptions, id: string): Position | undefined {
    if (call.name === 'sendBatch') return options.expect
    const key = call.name === 'sendAll' ? call.key : undefined
    return this.#placeAt(call.channel, key, options, id)
  }

  /** The options of a send that is this gateway's own. */
  #expectingHere<O extends SendOptions>(channel: string, key: string | undefined, options: O): O {
    if (options.expect === undefined) return options
    return { ...options, expect: this.#placeAt(channel, key, options, this.#options.calls.id) }
  }

  #placeAt(
    channel: string,
    key: string | undefined,
    { expect, messageId }: SendOptions,
    id: string,
  ): Position | undefined {
    if (expect === undefined) return undefined
    try {
      return this.#options.placeAt(channel, key, expect, id)
    } catch (error) {
      const hasMoved = error instanceof ChannelsError && error.code === 'POSITION_MISMATCH'
      if (messageId === undefined || !hasMoved) throw error
      // It may have moved by this very message, of which whoever takes it knows; nobody else is at that position.
      return expect
    }
  }

  /** The partition of each record. @throws ChannelsError `INVALID_RECORD`. */
  async ownersOf(channel: string, records: readonly unknown[]): Promise<number[]> {
    const { by, calls, partitionOf } = this.#options
    const attribute = by[channel] as string
    const owners = records.map((record) => {
      const owner = attributeOf(record, attribute)
      if (owner !== undefined) return owner
      throw new ChannelsError(
        'INVALID_RECORD',
        `a record of channel "${channel}" has no attribute "${attribute}" to find its owner by`,
        { channel },
      )
    })
    if (owners.length > 0) await calls.counted()
    return owners.map(partitionOf)
  }

  /** Whether the records of a channel have owners. */
  hasOwners(channel: string): boolean {
    return Object.hasOwn(this.#options.by, channel)
  }

  #newId(): string {
    return `${this.#name}-${++this.#serial}`
  }
}

/** Places in a list by the partition at each. */
export function placesByOwner(owned: readonly number[]): ReadonlyMap<number, readonly number[]> {
  const places = new Map<number, number[]>()
  owned.forEach((partition, at) => {
    const mine = places.get(partition)
    if (mine === undefined) places.set(partition, [at])
    else mine.push(at)
  })
  return places
}

function noMessageId(): ChannelsError {
  return new ChannelsError(
    'BAD_REQUEST',
    `a messageId is a text of 1 to ${MAX_MESSAGE_ID_LENGTH} characters`,
  )
}

/** The refusal of what is of one owner and has several. */
export function severalOwners(what: string): ChannelsError {
  return new ChannelsError(
    'BAD_REQUEST',
    `${what} is of records with one owner, and these have several: send them one by one`,
  )
}
