import { randomUUID } from 'node:crypto'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { orderOf } from './contract.js'
import { startGateway } from './gateway.js'

/** The work with gateways, each in milliseconds. */
export class Gateways {
  readonly #brokers: readonly string[]

  constructor(broker: string) {
    this.#brokers = [broker]
  }

  /** From ticks in the graph to acknowledged records. */
  async publish(topic: string, records: number): Promise<number> {
    const { gateway, module, orders } = await startGateway({
      brokers: this.#brokers,
      publish: { orders: { [topic]: { attribute: 'symbol' } } },
      maxPendingRecords: 20_000,
    })
    // Connected before it is measured, as the other side is.
    orders.push(orderOf(0))
    while (module.pending > 0) await sleep(5)
    const started = performance.now()
    for (let i = 1; i < records; i++) {
      orders.push(orderOf(i))
      if (i % 500 === 0) while (module.pending > 8_000) await turn()
    }
    while (module.pending > 0) await turn()
    const elapsed = performance.now() - started
    if (module.unpublished > 0) throw new Error(`${module.unpublished} ticks were not published`)
    await gateway.stop()
    return elapsed
  }

  /** From the first tick to the last. */
  async subscribe(topic: string, records: number): Promise<number> {
    const { gateway, ticks } = await startGateway({
      brokers: this.#brokers,
      subscribe: { orders: { [topic]: '' } },
      groupId: randomUUID(),
    })
    while (ticks.count < records) await sleep(1)
    const elapsed = performance.now() - ticks.firstAtMs
    await gateway.stop()
    return elapsed
  }

  /** Reads a topic and publishes each tick to another, exactly once: from the first tick to the last commit. */
  async exactlyOnce(from: string, to: string, records: number): Promise<number> {
    const { gateway, module, ticks } = await startGateway({
      brokers: this.#brokers,
      exactlyOnce: true,
      subscribe: { orders: { [from]: '' } },
      publish: { copies: { [to]: { attribute: 'symbol' } } },
      groupId: randomUUID(),
    })
    while (ticks.count < records || module.uncommitted > 0) await sleep(1)
    const elapsed = performance.now() - ticks.firstAtMs
    await gateway.stop()
    return elapsed
  }
}
