import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bare, Pipe } from './bare.js'
import { numberOf, type Order, orderOf } from './contract.js'
import { startGateway } from './gateway.js'

export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** From an order on one side of a topic to the same on the other, at a steady pace; the first second warms up. */
export async function latencyOf(
  open: (onOrder: (i: number) => void) => Promise<Pipe>,
  rate: number,
  seconds: number,
): Promise<Latency> {
  const sentAt: number[] = []
  const latencies: number[] = []
  const pipe = await open((i) => latencies.push(performance.now() - (sentAt[i] ?? Number.NaN)))
  sentAt.push(performance.now())
  pipe.push(orderOf(0))
  while (latencies.length === 0) await sleep(5)
  const total = rate * seconds
  const started = performance.now()
  for (let i = 1; i < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - started) * rate) / 1_000))
    for (; i < due; i++) {
      sentAt[i] = performance.now()
      pipe.push(orderOf(i))
    }
    await sleep(1)
  }
  while (latencies.length < total) await sleep(5)
  await pipe.close()
  const warm = latencies.slice(rate).sort((a, b) => a - b)
  const at = (share: number): number =>
    Number((warm[Math.floor(warm.length * share)] ?? Number.NaN).toFixed(1))
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** From a tick in one gateway to the tick in another. */
export function gatewayPipe(broker: string, topic: string) {
  return async (onOrder: (i: number) => void): Promise<Pipe> => {
    const source = await startGateway({
      brokers: [broker],
      publish: { orders: { [topic]: { attribute: 'symbol' } } },
    })
    const sink = await startGateway({
      brokers: [broker],
      subscribe: { orders: { [topic]: '' } },
      groupId: randomUUID(),
    })
    sink.gateway.channels.watch('orders', undefined, ({ value }) =>
      onOrder(numberOf(value as Order)),
    )
    return {
      push: (order) => source.orders.push(order),
      close: async () => {
        await source.gateway.stop()
        await sink.gateway.stop()
      },
    }
  }
}

export function barePipe(bare: Bare, topic: string) {
  return (onOrder: (i: number) => void): Promise<Pipe> => bare.pipe(topic, onOrder)
}
