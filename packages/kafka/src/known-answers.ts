import type { SendReceipt } from '@gw/channels'

/** What sends have answered of late, by their ids, the oldest first: beyond a bound the oldest are forgotten. */
export class KnownAnswers {
  readonly #limits: { readonly maxIds: number; readonly maxBytes: number }
  readonly #known = new Map<string, { readonly receipts: Receipts; readonly bytes: number }>()
  #bytes = 0

  constructor(limits: { readonly maxIds: number; readonly maxBytes: number }) {
    this.#limits = limits
  }

  find(id: string): Receipts | undefined {
    return this.#known.get(id)?.receipts
  }

  add(id: string, receipts: Receipts): void {
    const bytes = id.length + JSON.stringify(receipts).length
    this.#known.set(id, { receipts, bytes })
    this.#bytes += bytes
    const { maxIds, maxBytes } = this.#limits
    for (const [oldest, { bytes }] of this.#known) {
      if (this.#known.size <= maxIds && this.#bytes <= maxBytes) return
      this.#known.delete(oldest)
      this.#bytes -= bytes
    }
  }
}

/** What a send answers: a receipt for each channel and key that it was to. */
export type Receipts = readonly SendReceipt<unknown>[]
