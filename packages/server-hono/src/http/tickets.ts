import { createHash, randomBytes } from 'node:crypto'
import type { Identity, SocketTicket } from '@gw/protocol'
import { isRevokedBy } from './identity.js'

const LIFE_SECONDS = 30
/** Of one identity, the oldest goes: who asks without end takes none from others. */
const MAX_OF_IDENTITY = 100
const MAX_TICKETS = 10_000

/** Other gateways that clients may come to with a ticket of this one, and the reverse. */
export interface OtherGateways {
  /** This gateway among them; `undefined` while there are none. */
  readonly id: string | undefined
  ask(gatewayId: string, question: TicketQuestion): Promise<unknown>
}

/** What gateways ask each other. */
export interface TicketQuestion {
  readonly ticket: string
}

interface Issued {
  readonly identity: Identity
  readonly endsAtMs: number
}

/**
 * Tickets with which a page opens the stream: a browser's WebSocket takes no headers, and a URL, which logs and proxies
 * see, is no place for a key. A ticket is good once and for a short time; only its hash is kept. Where there are several gateways it names
 * the one that has it, and the others ask there.
 */
export class Tickets {
  readonly #issued = new Map<string, Issued>()
  readonly #others: OtherGateways | undefined

  constructor(others?: OtherGateways) {
    this.#others = others
  }

  /** Makes a ticket for whoever has just shown a credential. */
  issue(identity: Identity): SocketTicket {
    const nowMs = Date.now()
    this.#makeRoom(identity, nowMs)
    const random = randomBytes(32).toString('base64url')
    const id = this.#others?.id
    const ticket = id === undefined ? random : `${random}.${id}`
    const { expiresAtMs = Number.POSITIVE_INFINITY } = identity
    const endsAtMs = Math.min(nowMs + LIFE_SECONDS * 1_000, expiresAtMs)
    this.#issued.set(hash(ticket), { identity, endsAtMs })
    return { ticket, expiresInSeconds: LIFE_SECONDS }
  }

  /** Who a ticket stands for; it is used up by that. */
  take(ticket: string): Identity | undefined {
    const name = hash(ticket)
    const issued = this.#issued.get(name)
    this.#issued.delete(name)
    return issued !== undefined && issued.endsAtMs > Date.now() ? issued.identity : undefined
  }

  /** Whether a ticket names another gateway. */
  isElsewhere(ticket: string): boolean {
    const id = this.#others?.id
    const issuer = issuerOf(ticket)
    return id !== undefined && issuer !== undefined && issuer !== id
  }

  /** As {@link take}, of the gateway that a ticket names. @throws ChannelsError `OWNER_AWAY`. */
  async takeElsewhere(ticket: string): Promise<Identity | undefined> {
    const identity = await this.#others?.ask(issuerOf(ticket) as string, { ticket })
    return identity as Identity | undefined
  }

  /** Ends those of an identity, or of one credential of it. */
  revoke(identityName: string, credential: string | undefined): void {
    for (const [name, { identity }] of this.#issued) {
      if (isRevokedBy(identity, identityName, credential)) this.#issued.delete(name)
    }
  }

  #makeRoom(identity: Identity, nowMs: number): void {
    let count = 0
    let oldest: string | undefined
    for (const [name, issued] of this.#issued) {
      if (issued.endsAtMs <= nowMs) this.#issued.delete(name)
      else if (issued.identity.name === identity.name) {
        oldest ??= name
        count++
      }
    }
    if (oldest !== undefined && count >= MAX_OF_IDENTITY) this.#issued.delete(oldest)
    if (this.#issued.size < MAX_TICKETS) return
    this.#issued.delete(this.#issued.keys().next().value as string)
  }
}

/** Looking up a hash tells nothing about the tickets by its time. */
function hash(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64url')
}

function issuerOf(ticket: string): string | undefined {
  return ticket.split('.')[1]
}
