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
import type { ClusterCalls } from './cluster-calls.js'
import { OnceById, type StillWanted } from './once-by-id.js'
import { attributeOf } from './publisher.js'

const KNOWN_BYTES = 64 * 2 ** 20
/** How long the engine may take to run what it was sent. */
const ENGINE_MS = 10_000

/** What the owner of a partition does: a call of its channels. */
type Call =
  | {
      readonly name: 'sendAll'
      readonly channel: string
      readonly key: string | undefined
      readonly inputs: readonly unknown[]
    }
  | {
      readonly name: 'sendBasket'
      readonly channel: string
      readonly inputs: { readonly [key: string]: unknown }
    }
  | { readonly name: 'sendBatch'; readonly sends: readonly BatchSend[] }
  | { readonly name: 'release'; readonly channel: string; readonly inputs: readonly unknown[] }

interface SendQuestion {
  readonly partition: number
  readonly call: Call
  /** Another try of the same send has the same. */
  readonly id: string
  readonly expect?: Position
  readonly origin?: string
}

/** What a send answers: a receipt for each channel and key that it was to. */
type Receipts = readonly SendReceipt<unknown>[]

export interface SharedSendsOptions {
  readonly channels: LiveChannels<AnyChannels>
  readonly calls: ClusterCalls
  /** By channel, the attribute that says to whom a record belongs. */
  readonly by: Readonly<Record<string, string | undefined>>
  /** Once they are counted. */
  readonly partitionOf: (key: string) => number
  /** How long who asks waits for an answer. */
  readonly waitMs: number
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
  /** What is sent from here has ids like nobody else's. */
  readonly #name = randomUUID()
  #serial = 0

  constructor(options: SharedSendsOptions) {
    this.#options = options
    this.#taking = new OnceById({ waitMs: options.waitMs, maxBytes: KNOWN_BYTES })
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
    if (!this.hasOwners(channel)) return here()
    const owned = await this.#owned(channel, inputs, key, options)
    const groups = placesByOwner(owned)
    if (groups.size === 0) return here()
    if (groups.size > 1 && options.expect !== undefined) throw severalOwners('"expect"')
    const records: unknown[] = []
    const sent = await Promise.all(
      [...groups].map(async ([partition, places]) => {
        const mine = places.map((at) => inputs[at])
        const call: Call = { name: 'sendAll', channel, key, inputs: mine }
        const [receipt] = (await this.#send(partition, call, options)) as [SendReceipt<unknown>]
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
    if (!this.hasOwners(channel) || keys.length === 0) {
      const expecting = this.#expectingHere(channel, undefined, options)
      return channels.sendBasketAndWait(channel, inputs, expecting)
    }
    const owned: number[] = []
    for (const key of keys) {
      const input = inputs[key]
      const list = Array.isArray(input) ? (input as readonly unknown[]) : [input]
      const [owner, ...others] = await this.#owned(channel, list, key, options)
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
        const call: Call = { name: 'sendBasket', channel, inputs: mine }
        const [receipt] = (await this.#send(partition, call, options)) as [SendReceipt<unknown>]
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
    if (!sends.some(({ channel }) => this.hasOwners(channel))) {
      return channels.sendBatchAndWait(sends, options)
    }
    const owners = new Set<number>()
    for (const { channel, key, data } of sends) {
      if (!this.hasOwners(channel)) continue
      const inputs = Array.isArray(data) ? (data as readonly unknown[]) : [data]
      for (const owner of await this.#owned(channel, inputs, key, options)) owners.add(owner)
    }
    const [partition] = owners
    if (partition === undefined) return channels.sendBatchAndWait(sends, options)
    if (owners.size > 1) throw severalOwners('a batch')
    return this.#send(partition, { name: 'sendBatch', sends }, options)
  }

  /**
   * Has staged records of one owner tick there, of a list channel as one list.
   * @param messageId another try of the same release has the same.
   */
  async release(
    channel: string,
    partition: number,
    records: readonly unknown[],
    messageId: string,
    options: Pick<SendOptions, 'origin'>,
  ): Promise<void> {
    const call: Call = { name: 'release', channel, inputs: records }
    await this.#send(partition, call, { ...options, messageId })
  }

  /** Takes what is ours. @throws KafkaError `NOT_OWNED`, `FENCED`; ChannelsError as the channels do. */
  take(question: unknown): Promise<Receipts> {
    const asked = question as SendQuestion
    return this.#taking.do(asked.id, (stillWanted) => this.#takeOnce(asked, stillWanted))
  }

  async #takeOnce(
    { partition, call, expect, origin }: SendQuestion,
    stillWanted: StillWanted,
  ): Promise<Receipts> {
    const options = {
      ...(expect === undefined ? {} : { expect }),
      ...(origin === undefined ? {} : { origin }),
    }
    let receipts: Receipts | undefined
    let refusal: unknown
    await this.#options.inUnit(partition, async () => {
      try {
        // It may have waited for others that could not be committed.
        stillWanted()
        receipts = await this.#do(call, options)
      } catch (error) {
        // Nothing was sent, so there is nothing to undo.
        refusal = error
      }
    })
    if (receipts === undefined) throw refusal
    return receipts
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
      case 'release':
        return [await channels.releaseAndWait(call.channel, call.inputs, bounded)]
    }
  }

  async #send(partition: number, call: Call, options: SendOptions): Promise<Receipts> {
    const { messageId, origin, expect } = options
    if (messageId !== undefined && !isMessageId(messageId)) throw noMessageId()
    const place =
      call.name === 'sendBatch' ? call.sends.map(({ channel }) => channel) : call.channel
    const id = JSON.stringify([messageId ?? this.#newId(), partition, call.name, place, origin])
    const ask = (owner: string): SendQuestion => ({
      partition,
      call,
      id,
      ...(origin === undefined ? {} : { origin }),
      ...(expect === undefined ? {} : { expect: this.#expected(call, expect, owner) }),
    })
    const answer = await this.#options.calls.atOwner(partition, 'send', ask, (question) =>
      this.take(question),
    )
    return answer as Receipts
  }

  /** What a position says of a gateway's part of the channel, or of the key, that a call is to. */
  #expected(call: Call, expect: Position, id: string): Position {
    if (call.name === 'sendBatch') return expect
    const key = call.name === 'sendAll' ? call.key : undefined
    return this.#options.placeAt(call.channel, key, expect, id)
  }

  /** The options of a send that is this gateway's own. */
  #expectingHere<O extends SendOptions>(channel: string, key: string | undefined, options: O): O {
    const { expect } = options
    if (expect === undefined) return options
    const { calls, placeAt } = this.#options
    return { ...options, expect: placeAt(channel, key, expect, calls.id) }
  }

  /** The partition of each record: all are valid, and may be sent. @throws ChannelsError `INVALID_RECORD`; what `check` throws. */
  async #owned(
    channel: string,
    inputs: readonly unknown[],
    key: string | undefined,
    { check }: SendOptions,
  ): Promise<number[]> {
    const records = this.#options.channels.complete(channel, inputs, key)
    for (const record of records) check?.(record, channel, key)
    return this.ownersOf(channel, records)
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
