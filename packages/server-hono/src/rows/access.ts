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
    const rows = this.rowsOf(identity)
    return rows === undefined ? this.#channels : new FilteredChannels(this.#channels, rows)
  }

  /** The rows of an identity; `undefined` when it sees everything. */
  rowsOf(identity: Identity): Rows | undefined {
    if (this.#rules.filter === undefined && identity.scopes === undefined) return undefined
    let rows = this.#rows.get(identity)
    if (rows === undefined) {
      rows = new Rows(identity, this.#rules)
      this.#rows.set(identity, rows)
    }
    return rows
  }
}
