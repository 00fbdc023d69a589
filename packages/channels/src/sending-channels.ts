import { problemOfKey } from './basket-key.js'
import { checkCallOptions } from './call-options.js'
import type { ChannelLog } from './channel-log.js'
import { ChannelsError } from './errors.js'
import { isObject } from './filter.js'
import type { BatchSend, ReleaseOptions, SendOptions, SendReceipt, WaitOptions } from './live.js'
import { setOrigin } from './origin.js'
import { ReadingChannels } from './reading-channels.js'
import type { Flight, Target } from './sender.js'
import { timed } from './timed.js'
import { Validation } from './validation.js'
import { channelOf, type Slot, unknownKey, type WiredChannel } from './wired-channel.js'

const SEND_OPTIONS = ['messageId', 'expect', 'origin', 'check'] as const
const WAITING_OPTIONS = [...SEND_OPTIONS, 'timeoutMs', 'signal'] as const

/** The running channels as they are sent to, by plain names. */
export class SendingChannels extends ReadingChannels {
  send(name: string, input: unknown, key?: string, options?: SendOptions): unknown {
    checkCallOptions('send', options, SEND_OPTIONS, name)
    const flight = this.#sendOne(name, input, key, options, false)
    return flight.records[0]
  }

  async sendAndWait(
    name: string,
    input: unknown,
    key?: string,
    options: SendOptions & WaitOptions = {},
  ): Promise<unknown> {
    checkCallOptions('sendAndWait', options, WAITING_OPTIONS, name)
    const flight = this.#sendOne(name, input, key, options, true)
    if (!flight.isOver) await this.#landed(flight, name, options)
    return flight.records[0]
  }

  sendAll(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options?: SendOptions,
  ): SendReceipt<unknown> {
    checkCallOptions('sendAll', options, SEND_OPTIONS, name)
    const flight = this.#sendAll(name, inputs, key, options, false)
    return this.#receipt(flight, name, key)
  }

  complete(name: string, inputs: readonly unknown[], key?: string): readonly unknown[] {
    const { channel } = this.#sendable(name, key).slot
    checkRecords('complete', name, inputs)
    return flattenLists(channel, this.#completed(channel, inputs))
  }

  completeBasket(
    name: string,
    inputs: { readonly [key: string]: unknown },
  ): { readonly [key: string]: readonly unknown[] } {
    this.#checkBasket(name, inputs)
    const targets = this.#basketTargets(name, inputs)
    return Object.fromEntries(
      targets.map(({ slot, key = slot.key, value }) => [key, flattenLists(slot.channel, [value])]),
    )
  }

  completeBatch(sends: readonly BatchSend[]): readonly (readonly unknown[])[] {
    checkBatch(sends)
    return this.#batchTargets(sends).map(({ slot, value }) => flattenLists(slot.channel, [value]))
  }

  async sendAllAndWait(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options: SendOptions & WaitOptions = {},
  ): Promise<SendReceipt<unknown>> {
    checkCallOptions('sendAllAndWait', options, WAITING_OPTIONS, name)
    const flight = this.#sendAll(name, inputs, key, options, true)
    if (!flight.isOver) await this.#landed(flight, name, options)
    return this.#receipt(flight, name, key)
  }

  async releaseAndWait(
    name: string,
    records: readonly unknown[],
    options: ReleaseOptions & WaitOptions = {},
  ): Promise<SendReceipt<unknown>> {
    checkCallOptions('releaseAndWait', options, ['origins', 'timeoutMs', 'signal'], name)
    const channel = channelOf(this.channels, name)
    if (!channel.isStaged) throw noStage(name)
    checkRecords('releaseAndWait', name, records)
    const slot = channel.slot(undefined)
    const values = this.#completed(channel, records)
    const { origins = [] } = options
    flattenLists(channel, values).forEach((record, i) => {
      setOrigin(record, origins[i])
    })
    const cycles = values.map((value) => [{ slot, value }])
    const flight = this.run.sender.send(`release ${name}`, cycles, {}, { mayWait: true })
    if (!flight.isOver) await this.#landed(flight, name, options)
    return this.#receipt(flight, name, undefined)
  }

  sendBasket(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options?: SendOptions,
  ): SendReceipt<unknown> {
    checkCallOptions('sendBasket', options, SEND_OPTIONS, name)
    return this.#basketReceipt(name, this.#sendBasket(name, inputs, options, false))
  }

  async sendBasketAndWait(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options: SendOptions & WaitOptions = {},
  ): Promise<SendReceipt<unknown>> {
    checkCallOptions('sendBasketAndWait', options, WAITING_OPTIONS, name)
    const flight = this.#sendBasket(name, inputs, options, true)
    if (!flight.isOver) await this.#landed(flight, name, options)
    return this.#basketReceipt(name, flight)
  }

  sendBatch(
    sends: readonly BatchSend[],
    options: Omit<SendOptions, 'expect'> = {},
  ): readonly SendReceipt<unknown>[] {
    checkCallOptions('sendBatch', options, SEND_OPTIONS)
    return this.#batchReceipts(sends, this.#sendBatch(sends, options, false))
  }

  async sendBatchAndWait(
    sends: readonly BatchSend[],
    options: Omit<SendOptions, 'expect'> & WaitOptions = {},
  ): Promise<readonly SendReceipt<unknown>[]> {
    checkCallOptions('sendBatchAndWait', options, WAITING_OPTIONS)
    const flight = this.#sendBatch(sends, options, true)
    if (!flight.isOver) await this.#landed(flight, sends[0]?.channel as string, options)
    return this.#batchReceipts(sends, flight)
  }

  #sendOne(
    name: string,
    input: unknown,
    key: string | undefined,
    options: SendOptions | undefined,
    mayWait: boolean,
  ): Flight {
    const { sender, mint } = this.run
    const target = this.#sendable(name, key)
    const scope = `one ${target.slot.name}\0${target.key ?? ''}`
    const repeated = sender.repeated(scope, options ?? {})
    if (repeated !== undefined) return repeated
    const { channel } = target.slot
    const validation = new Validation(mint)
    const value = validation.take(channel, channel.definition.schema, input)
    validation.finish()
    const cycle = [{ slot: target.slot, key: target.key, value }]
    check(cycle, options)
    return sender.send(scope, [cycle], options, { mayWait })
  }

  #sendAll(
    name: string,
    inputs: readonly unknown[],
    key: string | undefined,
    options: SendOptions | undefined,
    mayWait: boolean,
  ): Flight {
    const { sender } = this.run
    const target = this.#sendable(name, key)
    checkRecords('sendAll', name, inputs)
    const scope = `all ${target.slot.name}\0${target.key ?? ''}`
    const repeated = sender.repeated(scope, options ?? {})
    if (repeated !== undefined) return repeated
    const values = this.#completed(target.slot.channel, inputs)
    const isNothing = inputs.length === 0
    const { slot, key: dynamicKey } = target
    const cycles = isNothing ? [] : values.map((value) => [{ slot, key: dynamicKey, value }])
    for (const cycle of cycles) check(cycle, options)
    return sender.send(scope, cycles, options, { mayWait })
  }

  #sendBasket(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options: SendOptions | undefined,
    mayWait: boolean,
  ): Flight {
    const { sender } = this.run
    this.#checkBasket(name, inputs)
    const scope = `basket ${name}\0${Object.keys(inputs).join('\0')}`
    const repeated = sender.repeated(scope, options ?? {})
    if (repeated !== undefined) return repeated
    const targets = this.#basketTargets(name, inputs)
    check(targets, options)
    const cycles = targets.length === 0 ? [] : [targets]
    return sender.send(scope, cycles, options, { isWhole: true, mayWait })
  }

  /** @throws ChannelsError `BAD_REQUEST`. */
  #checkBasket(name: string, inputs: unknown): void {
    if (channelOf(this.channels, name).isBasket && isObject(inputs)) return
    throw badRequest(name, 'sendBasket takes a basket, and an object of records by key')
  }

  /** What ticks on each key, complete. @throws ChannelsError `INVALID_RECORD`, `UNKNOWN_KEY`, `NOT_SENDABLE`. */
  #basketTargets(name: string, inputs: { readonly [key: string]: unknown }): readonly Target[] {
    const channel = channelOf(this.channels, name)
    const validation = new Validation(this.run.mint)
    let newKeys = 0
    const targets = Object.entries(inputs).map(([key, input]): Target => {
      const target = this.#sendable(name, key, newKeys)
      if (channel.log?.find(key) === undefined) newKeys++
      return {
        ...target,
        value: validation.take(channel, channel.definition.schema, input, [key]),
      }
    })
    validation.finish()
    return targets
  }

  #sendBatch(
    sends: readonly BatchSend[],
    options: Omit<SendOptions, 'expect'>,
    mayWait: boolean,
  ): Flight {
    if ('expect' in options && options.expect !== undefined) {
      throw badRequest(undefined, 'a batch has no one position to expect: send to one channel')
    }
    const { sender } = this.run
    checkBatch(sends)
    const scope = `batch ${sends.map(({ channel, key = '' }) => `${channel}\0${key}`).join('\0')}`
    const repeated = sender.repeated(scope, options)
    if (repeated !== undefined) return repeated
    const targets = this.#batchTargets(sends)
    check(targets, options)
    return sender.send(scope, targets.length === 0 ? [] : [targets], options, { mayWait })
  }

  /** What ticks of each send, complete. @throws ChannelsError as of baskets, and `BAD_REQUEST`. */
  #batchTargets(sends: readonly BatchSend[]): readonly Target[] {
    const validation = new Validation(this.run.mint)
    const seen = new Set<string>()
    const targets = sends.map(({ channel: name, key, data }, i): Target => {
      const target = this.#sendable(name, key)
      const place = `${name}\0${key ?? ''}`
      if (seen.has(place)) {
        throw new ChannelsError(
          'BAD_REQUEST',
          `the batch sends to "${target.slot.name}" twice, and a cycle has one tick of it: send a list channel, or another batch`,
          { channel: name },
        )
      }
      seen.add(place)
      const { channel } = target.slot
      return {
        ...target,
        value: validation.take(channel, channel.definition.schema, data, [i, 'data']),
      }
    })
    validation.finish()
    return targets
  }

  /** What ticks: of a list channel one list, else a record each. @throws ChannelsError `INVALID_RECORD`. */
  #completed(channel: WiredChannel, inputs: readonly unknown[]): readonly unknown[] {
    const { schema } = channel.definition
    const validation = new Validation(this.run.mint)
    const values = isList(channel)
      ? [validation.take(channel, schema, inputs)]
      : inputs.map((input, i) => validation.take(channel, schema, input, [i]))
    validation.finish()
    return values
  }

  #receipt(flight: Flight, name: string, key: string | undefined): SendReceipt<unknown> {
    const channel = channelOf(this.channels, name)
    const { position } = this.run.sender.receipt(
      flight,
      flight.records.length - 1,
      channel.log as ChannelLog,
      key,
    )
    return { records: flattenLists(channel, flight.records), position }
  }

  #basketReceipt(name: string, flight: Flight): SendReceipt<unknown> {
    const log = this.provided(name, undefined)
    const { records, position } = this.run.sender.wholeReceipt(flight, log)
    return { records: flattenLists(channelOf(this.channels, name), records), position }
  }

  #batchReceipts(sends: readonly BatchSend[], flight: Flight): readonly SendReceipt<unknown>[] {
    return sends.map(({ channel: name, key }, i) => {
      const channel = channelOf(this.channels, name)
      const receipt = this.run.sender.receipt(flight, i, channel.log as ChannelLog, key)
      return { records: flattenLists(channel, [flight.records[i]]), position: receipt.position }
    })
  }

  /** @throws ChannelsError `POSITION_TIMEOUT`; what the flight has failed with. */
  async #landed(flight: Flight, name: string, options: WaitOptions): Promise<void> {
    await timed(options, 'POSITION_TIMEOUT', name, (done) => {
      flight.whenOver(() => done(undefined))
      return () => undefined
    })
    if (flight.error !== undefined) throw flight.error
  }

  /** @throws ChannelsError `NOT_SENDABLE`, `UNKNOWN_KEY`. */
  #sendable(name: string, key: string | undefined, newKeys = 0): Omit<Target, 'value'> {
    const channel = channelOf(this.channels, name)
    if (channel.isDynamic) {
      const slot = channel.slot(undefined)
      this.#checkSendable(slot, key)
      if (typeof key !== 'string' || key === '') throw unknownKey(channel, undefined)
      // Clients put records by key into objects, where this is no key as others are.
      if (key === '__proto__') throw unknownKey(channel, key)
      this.#checkNewKey(channel, key, newKeys)
      return { slot, key }
    }
    const slot = channel.slot(key)
    this.#checkSendable(slot, key)
    return { slot }
  }

  /** Sends make keys that only modules take away, so these are bounded. @throws ChannelsError `BAD_REQUEST`, `OVERLOADED`. */
  #checkNewKey({ name, log }: WiredChannel, key: string, newKeys: number): void {
    if (log === undefined || log.find(key) !== undefined) return
    const problem = problemOfKey(key)
    if (problem !== undefined) throw badRequest(name, `"${name}" cannot have ${problem}`)
    const { maxKeys } = this.run
    if (log.keyCount + newKeys < maxKeys) return
    throw new ChannelsError(
      'OVERLOADED',
      `"${name}" has ${log.keyCount} keys, and ${maxKeys} at most: send to one of them, have a module remove some, or raise limits.basketKeys`,
      { channel: name, key },
    )
  }

  #checkSendable(slot: Slot, key: string | undefined): void {
    if (slot.isSendable) return
    throw new ChannelsError(
      'NOT_SENDABLE',
      `"${slot.name}" takes nothing from outside: declare it with send: true, or call addSendChannel`,
      { channel: slot.channel.name, ...(key === undefined ? {} : { key }) },
    )
  }
}

/** @throws ChannelsError `BAD_REQUEST`. */
function checkBatch(sends: unknown): void {
  if (Array.isArray(sends) && sends.every(isSend)) return
  throw badRequest(undefined, 'a batch is a list of { channel: a text, key?: a text, data }')
}

function isSend(send: unknown): boolean {
  return (
    isObject(send) &&
    typeof send.channel === 'string' &&
    (send.key === undefined || typeof send.key === 'string')
  )
}

/** @throws ChannelsError `BAD_REQUEST`. */
function checkRecords(call: string, channel: string, inputs: unknown): void {
  if (Array.isArray(inputs)) return
  throw badRequest(
    channel,
    `${call} takes a list of records; one is sent to "${channel}" with send`,
  )
}

/** The refusal of staging on a channel that has none. */
export function noStage(channel: string): ChannelsError {
  return new ChannelsError(
    'NO_STAGE',
    `"${channel}" has no staging: declare it with stage: true, or call setStage`,
    { channel },
  )
}

function badRequest(channel: string | undefined, message: string): ChannelsError {
  return new ChannelsError('BAD_REQUEST', message, channel === undefined ? {} : { channel })
}

/** Lets whoever sends look at what is about to be sent: the records of a list one by one. */
function check(targets: readonly Target[], options: SendOptions | undefined): void {
  if (options?.check === undefined) return
  for (const { slot, key = slot.key, value } of targets) {
    const { channel } = slot
    const records = isList(channel) ? (value as readonly unknown[]) : [value]
    for (const record of records) options.check(record, channel.name, key)
  }
}

function isList({ definition }: WiredChannel): boolean {
  return definition.schema.def.type === 'array'
}

/** The records of a list channel are those of its lists. */
function flattenLists(channel: WiredChannel, values: readonly unknown[]): readonly unknown[] {
  return isList(channel) ? values.flat() : values
}
