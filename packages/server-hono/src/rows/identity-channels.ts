import type {
  BatchSend,
  ChannelTick,
  NextOptions,
  SendOptions,
  SendReceipt,
  StageAnswer,
  StageOptions,
  WaitOptions,
} from '@gw/channels'
import type { Position, Query, RowOperation } from '@gw/protocol'
import type { Audit } from '../audit.js'
import { WebServerError } from '../errors.js'
import type { PlainChannels, Soon } from '../service.js'
import type { Rows } from './rows.js'

/** The calls that touch rows. */
export type IdentityChannels = Omit<
  PlainChannels,
  'info' | 'states' | 'fields' | 'watch' | 'recentTicks' | 'hear' | 'stateRevision' | 'watchState'
>

/** The channels as one identity finds them: rows that it may not see are not there, and those that it may not send are refused. */
export class FilteredChannels implements IdentityChannels {
  readonly #channels: PlainChannels
  readonly #rows: Rows
  readonly #audit: Audit | undefined

  constructor(channels: PlainChannels, rows: Rows, audit: Audit | undefined) {
    this.#channels = channels
    this.#rows = rows
    this.#audit = audit
  }

  lastTicks(name: string, key?: string): readonly ChannelTick[] {
    return this.#rows.lastTicks(name, key)
  }

  positionOf(name: string, key?: string): Position {
    return this.#channels.positionOf(name, key)
  }

  atLeast(
    name: string,
    key: string | undefined,
    position: Position,
    options?: WaitOptions,
  ): Promise<void> {
    return this.#channels.atLeast(name, key, position, options)
  }

  async nextTicks(
    name: string,
    key: string | undefined,
    options?: NextOptions,
  ): Promise<readonly ChannelTick[]> {
    const matches = (tick: ChannelTick): boolean => this.#rows.seen(tick) !== undefined
    const ticks = await this.#channels.nextTicks(name, key, { ...options, matches })
    const isWhole = key === undefined && ticks[0]?.key !== undefined
    return isWhole ? this.lastTicks(name) : ticks.flatMap((tick) => this.#rows.seen(tick) ?? [])
  }

  query(state: string, query?: Query): Soon<readonly unknown[]> {
    return this.#channels.query(state, query, this.#mayRead)
  }

  arrivals(state: string): readonly unknown[] {
    return this.#channels.arrivals(state, this.#mayRead)
  }

  count(state: string, query?: Query): Soon<number> {
    return this.#channels.count(state, query, this.#mayRead)
  }

  lookup(id: string, name?: string): Soon<unknown> {
    return this.#channels.lookup(id, name, this.#mayRead)
  }

  async sendAllAndWait(
    name: string,
    inputs: readonly unknown[],
    key?: string,
    options?: SendOptions & WaitOptions,
  ): Promise<SendReceipt<unknown>> {
    const sent = await this.#channels.sendAllAndWait(name, inputs, key, this.#checked(options))
    this.#done('send', name, key, sent.records)
    return sent
  }

  async sendBasketAndWait(
    name: string,
    inputs: { readonly [key: string]: unknown },
    options?: SendOptions & WaitOptions,
  ): Promise<SendReceipt<unknown>> {
    const sent = await this.#channels.sendBasketAndWait(name, inputs, this.#checked(options))
    this.#done('send', name, undefined, sent.records)
    return sent
  }

  async sendBatchAndWait(
    sends: readonly BatchSend[],
    options?: SendOptions & WaitOptions,
  ): Promise<readonly SendReceipt<unknown>[]> {
    const sent = await this.#channels.sendBatchAndWait(sends, this.#checked(options))
    sends.forEach(({ channel, key }, i) => {
      this.#done('send', channel, key, sent[i]?.records ?? [])
    })
    return sent
  }

  async stageAdd(
    name: string,
    input: unknown,
    ids?: readonly string[],
    options?: StageOptions,
  ): Promise<StageAnswer<unknown>> {
    const added: unknown[] = []
    const check = (row: unknown): void => {
      this.#rows.require('stage', row, name, undefined)
      added.push(row)
    }
    // A record takes the place of one of its id, so that one must be the identity's to touch, too.
    const checkStaged = this.#allowing('stage', name, () => forbidden('stage such a record', name))
    const checked = { ...options, check, ...checkStaged }
    const answer = await this.#channels.stageAdd(name, input, ids, checked)
    this.#done('stage', name, undefined, added)
    return this.#visible(name, answer)
  }

  async stageRemove(
    name: string,
    recordId: string | undefined,
    ids?: readonly string[],
  ): Promise<StageAnswer<unknown>> {
    const isWhole = recordId === undefined
    const hidden = new Error('no such record for this identity')
    const refuse = (id: string): Error => (isWhole ? ofOthers(id, name) : hidden)
    try {
      const checkStaged = this.#allowing('stage', name, refuse)
      const answer = await this.#channels.stageRemove(name, recordId, ids, checkStaged)
      this.#done('unstage', name, undefined, isWhole ? [] : [{ id: recordId }])
      return this.#visible(name, answer)
    } catch (error) {
      if (error === hidden) return {}
      throw error
    }
  }

  async stageRelease(
    name: string,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'origin'>,
  ): Promise<StageAnswer<unknown>> {
    const checkStaged = this.#allowing('send', name, (id) => ofOthers(id, name))
    const answer = await this.#channels.stageRelease(name, ids, { ...options, ...checkStaged })
    this.#done('release', name, undefined, Object.values(answer).flat())
    return this.#visible(name, answer)
  }

  stageList(name: string, id?: string): Soon<readonly string[]> {
    return this.#channels.stageList(name, id)
  }

  async stageLookup(name: string, id?: string): Promise<StageAnswer<unknown>> {
    return this.#visible(name, await this.#channels.stageLookup(name, id))
  }

  readonly #mayRead = (row: unknown, channel: string, key: string | undefined): boolean =>
    this.#rows.isVisible(row, channel, key)

  #done(
    action: 'send' | 'stage' | 'unstage' | 'release',
    channel: string,
    key: string | undefined,
    rows: readonly unknown[],
  ): void {
    this.#audit?.done(
      this.#rows.identity,
      action,
      channel,
      key,
      rows.map(idOf).filter((id) => typeof id === 'string'),
    )
  }

  #checked<O extends SendOptions>(options: O | undefined): O {
    const check: SendOptions['check'] = (row, channel, key) =>
      this.#rows.require('send', row, channel, key)
    return { ...(options as O), check }
  }

  /** What refuses a change of stagings with records that are not the identity's to touch; nothing where all are. */
  #allowing(
    operation: RowOperation,
    name: string,
    refusal: (stagingId: string) => Error,
  ): Pick<StageOptions, 'checkStaged'> {
    if (!this.#rows.isFiltered) return {}
    return {
      checkStaged: (row, stagingId) => {
        if (!this.#rows.passes(operation, row, name, undefined)) throw refusal(stagingId)
      },
    }
  }

  #visible(name: string, answer: StageAnswer<unknown>): StageAnswer<unknown> {
    return Object.fromEntries(
      Object.entries(answer).map(([id, rows]) => [
        id,
        rows.filter((row) => this.#rows.passes('read', row, name, undefined)),
      ]),
    )
  }
}

function idOf(row: unknown): unknown {
  return (row as { readonly id?: unknown } | null)?.id
}

function forbidden(what: string, channel: string): WebServerError {
  return new WebServerError('FORBIDDEN', `not allowed: ${what} on ${channel}`)
}

/** A staging is changed as a whole, so all that is in it must be the identity's to touch. */
function ofOthers(stagingId: string, channel: string): WebServerError {
  return new WebServerError(
    'FORBIDDEN',
    `not allowed: the staging ${stagingId} of ${channel} holds records of others`,
  )
}
