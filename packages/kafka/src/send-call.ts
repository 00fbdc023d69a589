import type { BatchSend, SendReceipt } from '@gw/channels'

/** A call of the channels that another gateway does. */
export type Call =
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
  | {
      readonly name: 'release'
      readonly channel: string
      readonly inputs: readonly unknown[]
      /** Of each record; `null` where there is none. */
      readonly origins: readonly (string | null)[]
    }

/** What a call answers: a receipt for each channel and key that it was to. */
export type Receipts = readonly SendReceipt<unknown>[]

/** What tells a call from another of the same message id, as the channels have it. */
export function scopeOf(call: Call): unknown {
  switch (call.name) {
    case 'sendAll':
      return [call.name, call.channel, call.key]
    case 'sendBasket':
      return [call.name, call.channel, ...Object.keys(call.inputs)]
    case 'sendBatch':
      return [call.name, ...call.sends.map(({ channel, key }) => [channel, key])]
    case 'release':
      return [call.name, call.channel]
  }
}

/** The channels that a call is to. */
export function channelsOf(call: Call): readonly string[] {
  return call.name === 'sendBatch' ? call.sends.map(({ channel }) => channel) : [call.channel]
}
