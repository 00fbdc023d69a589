import type { ChannelType, ChannelTypes, ContractType } from '@gw/protocol'

/** What is not declared of a channel. */
interface Undeclared {
  readonly input: never
  readonly keys: Record<never, true>
  readonly state: boolean
  readonly aliases: Record<never, true>
  readonly stage: boolean
  readonly send: boolean
}

type Define<T extends Partial<ChannelTypes> & Pick<ChannelTypes, 'kind' | 'value'>> = ChannelType<
  Extract<Omit<Undeclared, keyof T> & T, ChannelTypes>
>

export interface Order {
  readonly id: string
  readonly timestamp: string
  readonly symbol: string
  readonly side: 'buy' | 'sell'
  readonly quantity: number
  readonly price?: { readonly amount: number; readonly currency: string }
}

export type OrderInput = Omit<Order, 'id' | 'timestamp'>

export interface Price {
  readonly value: number
}

/** A contract as the builders of `@gw/channels` would make it, without them. */
export type TestContract = ContractType<{
  readonly orders: Define<{
    kind: 'single'
    value: Order
    input: OrderInput
    state: true
    aliases: { bySide: true }
    stage: true
    send: true
  }>
  readonly audited: Define<{
    kind: 'single'
    value: Order
    input: OrderInput
    aliases: { byDay: true }
  }>
  readonly total: Define<{ kind: 'single'; value: number; input: number }>
  readonly fills: Define<{ kind: 'list'; value: Order[]; input: OrderInput[]; send: true }>
  readonly prices: Define<{
    kind: 'basket'
    value: Price
    input: Price
    keys: { AAPL: true; MSFT: true }
    send: true
  }>
  readonly metadata: Define<{ kind: 'field'; value: { readonly name: string } }>
}>
