import { Window } from 'happy-dom'
import { createElement, type FunctionComponent, StrictMode, useState } from 'react'
import type { Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeAll, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { type Client, createClient } from '../src/index.js'
import { useChannel, useConnection, useLast, useLiveBasket, useLiveState } from '../src/react.js'
import type { Order, TestContract } from './support/contract.js'
import { FakeGateway } from './support/fake-gateway.js'

// Only the document is a stand-in: React, its renderer and the sockets are real.
const window = new Window()
const container = window.document.createElement('div')
let createRoot: typeof import('react-dom/client')['createRoot']
let gateway: FakeGateway
let client: Client<TestContract>
let root: Root

beforeAll(async () => {
  Object.assign(globalThis, { window, document: window.document, navigator: window.navigator })
  createRoot = (await import('react-dom/client')).createRoot
})

beforeEach(async () => {
  gateway = await FakeGateway.start()
  client = createClient<TestContract>({
    url: gateway.url,
    reconnect: { minDelayMs: 1, maxDelayMs: 5 },
  })
  root = createRoot(container as unknown as Element)
})

afterEach(async () => {
  root.unmount()
  client.$close()
  await gateway[Symbol.asyncDispose]()
})

function render(component: FunctionComponent): void {
  root.render(createElement(StrictMode, null, createElement(component)))
}

function ApplePrice(): string {
  const { value, status } = useChannel(client.prices, 'AAPL')
  return `${value?.value} ${status}; `
}

/** Waits until the page shows a text. */
function shown(text: string): Promise<void> {
  return new Promise((resolve) => {
    const observer = new window.MutationObserver(() => {
      if (container.textContent !== text) return
      observer.disconnect()
      resolve()
    })
    observer.observe(container, { childList: true, characterData: true, subtree: true })
  })
}

const subscriptions = () => gateway.messages.filter(({ action }) => action === 'subscribe').length

describe('components', () => {
  test('show the last value and render again when it ticks', async () => {
    gateway.tick('total', 1)
    const first = shown('total 1')
    render(() => {
      const total = useLast(client.total)
      expectTypeOf(total).toEqualTypeOf<number | undefined>()
      return `total ${total}`
    })
    await first
    const second = shown('total 2')
    gateway.tick('total', 2)
    await second
  })

  test('that show the same share one subscription, which ends a while after them', async () => {
    const both = shown('undefined live; undefined live; ')
    render(() => [createElement(ApplePrice, { key: 1 }), createElement(ApplePrice, { key: 2 })])
    await both
    expect(subscriptions()).toBe(1)
    const ticked = shown('3 live; 3 live; ')
    gateway.tick('prices', { value: 3 }, 'AAPL')
    await ticked
    root.unmount()
    await gateway.until(() => gateway.messages.at(-1)?.action === 'unsubscribe')
  })

  test('that turn to another key show that one, and let go of the first', async () => {
    let turn: (key: 'AAPL' | 'MSFT') => void = () => undefined
    const first = shown('AAPL 1')
    gateway.tick('prices', { value: 1 }, 'AAPL')
    render(() => {
      const [key, setKey] = useState<'AAPL' | 'MSFT'>('AAPL')
      turn = setKey
      const price = useLast(client.prices, key)
      return `${key} ${price?.value ?? '-'}`
    })
    await first
    const second = shown('MSFT -')
    turn('MSFT')
    await second
    const ticked = shown('MSFT 2')
    gateway.tick('prices', { value: 2 }, 'MSFT')
    await ticked
    await gateway.until(() => gateway.messages.at(-1)?.action === 'unsubscribe')
    expect(gateway.messages.at(-1)?.key).toBe('AAPL')
    const again = shown('AAPL 3')
    gateway.tick('prices', { value: 3 }, 'AAPL')
    turn('AAPL')
    await again
  })

  test('that come back soon find everything as it was', async () => {
    const price = shown('5 live; ')
    gateway.tick('prices', { value: 5 }, 'AAPL')
    render(ApplePrice)
    await price
    root.unmount()
    root = createRoot(container as unknown as Element)
    const back = shown('5 live; ')
    render(ApplePrice)
    await back
    expect(subscriptions()).toBe(1)
  })

  test('show a state, whose options may be written in place', async () => {
    gateway.on('GET /api/v1/state/orders', { body: [{ symbol: 'A' }, { symbol: 'B' }] })
    const loaded = shown('A,B live')
    render(() => {
      const { value, status } = useLiveState(client.orders, { by: ['symbol'] })
      expectTypeOf(value).toEqualTypeOf<readonly Order[]>()
      return `${value.map(({ symbol }) => symbol)} ${status}`
    })
    await loaded
    expect(subscriptions()).toBe(1)
    const more = shown('A,B,C live')
    gateway.tick('orders', { symbol: 'C' })
    await more
  })

  test('show a basket', async () => {
    const ready = shown(' live')
    render(() => {
      const { value, status } = useLiveBasket(client.prices)
      return `${value.map(({ key, value }) => `${key}=${value.value}`)} ${status}`
    })
    await ready
    const ticked = shown('MSFT=1 live')
    gateway.tick('prices', { value: 1 }, 'MSFT')
    await ticked
  })

  test('show why there is nothing to show', async () => {
    const failed = shown('failed NOT_FOUND')
    render(() => {
      const { status, error } = useLiveState(client.orders)
      return `${status} ${error?.code}`
    })
    await failed
  })

  test('show the state of the connection', async () => {
    const live = shown('live')
    render(() => {
      useLast(client.total)
      return useConnection(client)
    })
    await live
    const again = shown('reconnecting')
    gateway.cut()
    await again
  })
})

test('on a server nothing is opened', () => {
  const html = renderToString(
    createElement(() => `total ${useLast(client.total)} ${useConnection(client)}`),
  )
  expect(html).toBe('total undefined idle')
  expect(gateway.connections).toBe(0)
})
