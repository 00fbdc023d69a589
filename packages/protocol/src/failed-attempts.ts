/** Bounds of failed attempts. */
export interface FailureLimits {
  /** Wrong credentials in a minute, from one address or with one id; more are refused unseen. @defaultValue 60 */
  readonly perMinute?: number
  /** Addresses and ids that are remembered; the one that was quiet longest goes. @defaultValue 10_000 */
  readonly maxRemembered?: number
}

/** What an attempt is counted under. */
export interface AttemptOrigin {
  readonly address: string
  /** The part of the credential that may be shown, where it has one: it is counted wherever it comes from. */
  readonly id?: string | undefined
}

interface Bucket {
  left: number
  atMs: number
}

/** Credentials in recent use, which are looked at even when they come from where somebody is guessing. */
const MAX_RECENT = 1_000

/**
 * Keeps guessers away, for authenticators of every kind: counts wrong credentials by the address that they come from and by
 * the id that stands in them, so many a minute, refilled bit by bit.
 */
export class FailedAttempts {
  readonly #perMinute: number
  readonly #maxRemembered: number
  readonly #buckets = new Map<string, Bucket>()
  /** Hashes of credentials that were right lately, the oldest first. */
  readonly #recent = new Set<string>()

  constructor(limits: FailureLimits = {}) {
    this.#perMinute = limits.perMinute ?? 60
    this.#maxRemembered = limits.maxRemembered ?? 10_000
  }

  /** How long a credential has to wait until it is looked at, in milliseconds; 0 when it may be now. */
  waitMs(origin: AttemptOrigin, nowMs: number): number {
    return Math.max(...namesOf(origin).map((name) => this.#waitMs(name, nowMs)))
  }

  /** Counts a wrong credential. @returns whether the next one has to wait */
  count(origin: AttemptOrigin, nowMs: number): boolean {
    for (const name of namesOf(origin)) this.#count(name, nowMs)
    return this.waitMs(origin, nowMs) > 0
  }

  /** Whether a credential, told by its hash, was right lately: then it is looked at first, and waits only when it is right no more. */
  wasRight(hash: string): boolean {
    return this.#recent.has(hash)
  }

  succeeded(hash: string): void {
    if (this.#recent.has(hash)) return
    this.#recent.add(hash)
    if (this.#recent.size > MAX_RECENT) {
      this.#recent.delete(this.#recent.values().next().value as string)
    }
  }

  /** A credential that was right lately is so no more: from now on it is as any wrong one. */
  forget(hash: string): void {
    this.#recent.delete(hash)
  }

  #waitMs(name: string, nowMs: number): number {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return 0
    const left = this.#refilled(bucket, nowMs)
    return left >= 1 ? 0 : Math.ceil(((1 - left) * 60_000) / this.#perMinute)
  }

  #count(name: string, nowMs: number): void {
    const bucket = this.#buckets.get(name)
    const left = bucket === undefined ? this.#perMinute : this.#refilled(bucket, nowMs)
    // Put last: the first of the map is the one that was quiet longest.
    this.#buckets.delete(name)
    this.#buckets.set(name, { left: left - 1, atMs: nowMs })
    if (this.#buckets.size > this.#maxRemembered) {
      this.#buckets.delete(this.#buckets.keys().next().value as string)
    }
  }

  #refilled({ left, atMs }: Bucket, nowMs: number): number {
    const more = (Math.max(0, nowMs - atMs) * this.#perMinute) / 60_000
    return Math.min(this.#perMinute, left + more)
  }
}

function namesOf({ address, id }: AttemptOrigin): readonly string[] {
  const from = `from ${networkOf(address)}`
  return id === undefined ? [from] : [from, `for ${id}`]
}

/** Groups of 16 bits of an IPv6 address that name the network: the other half anybody in it can choose. */
const NETWORK_GROUPS = 4

/**
 * What an address is counted under: an IPv4 address itself, however it is spelt; of an IPv6 address its network of 64
 * bits, since one host has all addresses of it (RFC 4291, section 2.5.1).
 */
function networkOf(address: string): string {
  const [plain = ''] = address.split('%', 1)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped !== undefined) return mapped
  if (!/^[\da-f]*:[\da-f:.]*$/i.test(plain)) return address
  const [head = '', tail] = plain.split('::', 2)
  const front = groupsOf(head)
  const back = groupsOf(tail ?? '')
  // A text of dots at the end stands for two groups, which are beyond the network.
  const length = front.length + back.length + (plain.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - length)
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back].slice(0, NETWORK_GROUPS)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

function groupsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(':')
}
