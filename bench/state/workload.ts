/** A record of the workload; plain JSON, as structs are. */
export interface Trade {
  readonly id: string
  readonly timestamp: string
  readonly account: string
  readonly symbol: string
  readonly side: 'buy' | 'sell'
  readonly price: number
  readonly quantity: number
}

/** Records an account has: an equality query finds that many. */
export const TRADES_AN_ACCOUNT = 10

/** Of prices from 0 to 1,000, those that the scan looks for lie above this. */
export const SCANNED_PRICE = 998

const TIMESTAMP = '2024-01-01T00:00:00.000000Z'
/** Prime, so that updates visit all keys, in no order that a cache could guess. */
const STRIDE = 611_953

/**
 * The trades of a benchmark: `size` of them, then one update of each. They are there before anything is measured, as making
 * them is not what a state does.
 */
export class Workload {
  readonly size: number
  readonly ticks: readonly Trade[]
  readonly #accounts: readonly string[]

  constructor(size: number) {
    this.size = size
    const ids = Array.from({ length: size }, (_, i) => String(i).padStart(12, '0'))
    const accounts = Math.ceil(size / TRADES_AN_ACCOUNT)
    this.#accounts = Array.from({ length: accounts }, (_, i) => `account-${i}`)
    this.ticks = Array.from({ length: 2 * size }, (_, i) => {
      const key = i < size ? i : (i * STRIDE) % size
      return {
        id: ids[key] as string,
        timestamp: TIMESTAMP,
        account: this.account(key),
        symbol: `S${key % 5_000}`,
        side: key % 2 === 0 ? 'buy' : 'sell',
        // Mixed, so that those in a range lie all over.
        price: ((key * 7_919) % 1_000_003) / 1_000,
        quantity: (i % 900) + 1,
      }
    })
  }

  /** All trades as they are after their updates. */
  get updates(): readonly Trade[] {
    return this.ticks.slice(this.size)
  }

  /** An account that has trades. */
  account(i: number): string {
    return this.#accounts[i % this.#accounts.length] as string
  }
}
