import type { ChannelType, ChannelTypes, ContractType } from '@gw/protocol'

type Define<T extends Partial<ChannelTypes> & Pick<ChannelTypes, 'kind' | 'value'>> = ChannelType<
  {
    readonly [K in keyof ChannelTypes]: K extends keyof T
      ? Exclude<T[K], undefined>
      : K extends 'state' | 'stage' | 'send'
        ? false
        : never
  } & ChannelTypes
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
    alias: 'bySide'
    stage: true
    send: true
  }>
  readonly audited: Define<{ kind: 'single'; value: Order; input: OrderInput; alias: 'byDay' }>
  readonly total: Define<{ kind: 'single'; value: number; input: number }>
  readonly fills: Define<{ kind: 'list'; value: Order[]; input: OrderInput[]; send: true }>
  readonly prices: Define<{
    kind: 'basket'
    value: Price
    input: Price
    key: 'AAPL' | 'MSFT'
    send: true
  }>
  readonly metadata: Define<{ kind: 'field'; value: { readonly name: string } }>
}>
