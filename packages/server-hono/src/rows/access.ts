import type { ChannelInfo } from '@gw/channels'
import type { Identity } from '@gw/protocol'
import type { PlainChannels } from '../service.js'
import { FilteredChannels, type IdentityChannels } from './identity-channels.js'
import { type RowRules, Rows } from './rows.js'

/** Hands out the channels as identities find them: the one way for requests and messages to rows. */
export class Access {
  readonly #channels: PlainChannels
  readonly #rules: RowRules
  readonly #rows = new WeakMap<Identity, Rows>()

  constructor(channels: PlainChannels, rules: RowRules) {
    this.#channels = channels
    this.#rules = rules
  }

  /** The channels for an identity; the plain ones for who sees everything. */
  channelsFor(identity: Identity): IdentityChannels {
    const { audit } = this.#rules
    const rows = this.rowsOf(identity)
    if (rows === undefined && audit === undefined) return this.#channels
    return new FilteredChannels(this.#channels, rows ?? this.#newRows(identity), audit)
  }

  /** The rows of an identity; `undefined` when it sees everything. */
  rowsOf(identity: Identity): Rows | undefined {
    if (this.#rules.filter === undefined && identity.scopes === undefined) return undefined
    return this.#rows.get(identity) ?? this.#newRows(identity)
  }

  /** Whether an identity sees every row of a channel, or of a key, that it may name. */
  seesAllOf(info: ChannelInfo, key: string | undefined): boolean {
    // Scopes alone hide nothing of what they let somebody name.
    const isNamed = info.kind !== 'basket' || key !== undefined
    return this.#rules.filter === undefined && isNamed && !this.#rules.deadLetters.has(info.name)
  }

  #newRows(identity: Identity): Rows {
    const rows = new Rows(identity, this.#rules)
    this.#rows.set(identity, rows)
    return rows
  }
}
