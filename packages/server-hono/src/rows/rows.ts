import type { ChannelTick, DeadLetter, Logger } from '@gw/channels'
import {
  type AuthFilter,
  type Identity,
  isAllowed,
  type RowIdentity,
  type RowOperation,
} from '@gw/protocol'
import type { Audit } from '../audit.js'
import { WebServerError } from '../errors.js'
import type { PlainChannels } from '../service.js'
import type { Lasts } from './lasts.js'

/** What the rows of all identities have in common. */
export interface RowRules {
  readonly filter: AuthFilter | undefined
  readonly channels: PlainChannels
  readonly lasts: Lasts
  readonly audit: Audit | undefined
  /** Channels whose records hold rows of other channels: those of dead letters. */
  readonly deadLetters: ReadonlySet<string>
  /** Whether ticks of a channel are lists of rows. */
  isList(channel: string): boolean
  isBasket(channel: string): boolean
  readonly log: Logger
}

let serial = 0

/** The rows that one identity may see and send: of the keys that its scopes name, those for which the filter says yes. */
export class Rows {
  readonly identity: Identity
  readonly #rules: RowRules
  readonly #who: RowIdentity
  #id: string | undefined

  constructor(identity: Identity, rules: RowRules) {
    this.identity = identity
    this.#rules = rules
    const { name, scopes, claims } = identity
    this.#who = {
      name,
      ...(scopes === undefined ? {} : { scopes }),
      ...(claims === undefined ? {} : { claims }),
    }
  }

  /** Whether rows are hidden by more than the names of their channels and keys. */
  get isFiltered(): boolean {
    return this.#rules.filter !== undefined
  }

  /** Equal for those that see the same. */
  get id(): string {
    this.#id ??= this.#rules.filter === undefined ? textOf(this.#who.scopes) : textOf(this.#who)
    return this.#id
  }

  /** Whether a row may be read where it is: by the scopes, and by the filter. */
  isVisible(row: unknown, channel: string, key: string | undefined): boolean {
    return (
      this.#mayRead(channel, key) &&
      this.passes('read', row, channel, key) &&
      (!this.#rules.deadLetters.has(channel) || this.#mayReadInputs(row as DeadLetter))
    )
  }

  /** A row of a basket whose key is not known is for who sees all keys. */
  #mayRead(channel: string, key: string | undefined): boolean {
    if (key !== undefined || !this.#rules.isBasket(channel)) {
      return isAllowed(this.identity, 'read', channel, key)
    }
    const { scopes } = this.identity
    const whole = scopes?.filter(({ keys }) => keys === undefined || keys.includes('*'))
    return isAllowed({ ...this.identity, ...(whole && { scopes: whole }) }, 'read', channel)
  }

  /** Rows that stand in a dead letter are no more to be seen than where they ticked. */
  #mayReadInputs({ inputs }: DeadLetter): boolean {
    return inputs.every(({ channel, key, value }) => {
      const rows = this.#rules.isList(channel) ? (value as readonly unknown[]) : [value]
      return rows.every((row) => this.isVisible(row, channel, key))
    })
  }

  /** Whether the filter lets a row pass. Only a plain yes is one: a rule that throws, or promises an answer, says no. */
  passes(operation: RowOperation, row: unknown, channel: string, key: string | undefined): boolean {
    const { filter, log } = this.#rules
    if (filter === undefined) return true
    try {
      return (
        filter(this.#who, row, {
          operation,
          channel,
          ...(key === undefined ? {} : { key }),
        }) === true
      )
    } catch (error) {
      log.error({ err: error, channel }, `the filter failed for a row of ${channel}: it is hidden`)
      return false
    }
  }

  /** @throws WebServerError `FORBIDDEN` when the filter does not let a row pass. */
  require(operation: RowOperation, row: unknown, channel: string, key: string | undefined): void {
    if (this.passes(operation, row, channel, key)) return
    const place = key === undefined ? channel : `${channel}/${key}`
    throw new WebServerError('FORBIDDEN', `not allowed: ${operation} such a record on ${place}`)
  }

  /** A tick as the identity sees it: of a list, what is left of it; `undefined` when nothing is. */
  seen(tick: ChannelTick): ChannelTick | undefined {
    const { channel, key, value } = tick
    if (!this.#rules.isList(channel)) {
      return this.isVisible(value, channel, key) ? tick : undefined
    }
    const rows = value as readonly unknown[]
    const visible = rows.filter((row) => this.isVisible(row, channel, key))
    if (visible.length === rows.length) return tick
    return visible.length === 0 ? undefined : partOf(tick, visible)
  }

  /** What ticked last of what the identity sees: of a whole basket, for each key. */
  lastTicks(channel: string, key: string | undefined): readonly ChannelTick[] {
    const { filter, channels, lasts } = this.#rules
    if (filter !== undefined) return lasts.of(this, channel, key)
    return channels.lastTicks(channel, key).flatMap((tick) => this.seen(tick) ?? [])
  }
}

function partOf(tick: ChannelTick, value: readonly unknown[]): ChannelTick {
  const { channel, key, kind, removed, time, position } = tick
  const json = JSON.stringify(value)
  const part = { channel, key, kind, value, removed, time, position, json }
  PARTS.add(part)
  return part
}

const PARTS = new WeakSet<ChannelTick>()

/** Whether a tick is what an identity sees of one, and not all of it. */
export function isPart(tick: ChannelTick): boolean {
  return PARTS.has(tick)
}

/** A text that tells identities apart; claims that JSON does not take make an identity like no other. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return `#${++serial}`
  }
}
