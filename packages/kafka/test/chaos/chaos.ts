import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkajsClient, type KafkaProducer } from '@gw/kafka'
import { startBroker } from '../broker/broker.js'
import { committedRecords, createTopic, progressOf } from '../broker/topics.js'
import { bundle } from './bundle.js'
import { randomOf } from './random.js'
import type { ChaosSettings } from './settings.js'

export interface ChaosOptions {
  readonly seed: number
  readonly records: number
  readonly keys: number
  readonly partitions: number
  readonly gateways: number
  readonly exactlyOnce: boolean
  /** Over how long the records are produced, with faults all the while. */
  readonly durationMs: number
  readonly sessionTimeoutMs: number
  /** How long a gateway works on each record. */
  readonly slowMs: number
  /** Program of one gateway. */
  readonly program: string
  readonly log: (line: string) => void
}

export interface ChaosResult {
  readonly seed: number
  readonly records: number
  readonly faults: Readonly<Record<string, number>>
  /** Keys whose sum is less than it should be, and more. */
  readonly short: number
  readonly over: number
  /** Records on the input topic: as many as were sent, when the producer writes none twice. */
  readonly inputs: number
  /** Records of which nothing came out. */
  readonly missing: number
  /** Each key whose sum is another than it should be, with its partition of the changelog. */
  readonly odd: readonly string[]
  /** Records on the output topic: one for each that came in, when each counts once. */
  readonly outputs: number
  /** How often the broker itself has left out the ends of a transaction when it was started again: what it wrote may count twice then. */
  readonly lostEnds: number
  readonly seconds: number
}

const BATCH_MS = 50
const CATCH_UP_MS = 180_000

/** Three gateways, one broker, a running sum by key; killed, restarted and rebalanced at random while records flow. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, log, partitions } = options
  const began = performance.now()
  const random = randomOf(seed)
  const folder = mkdtempSync(join(tmpdir(), 'gw-chaos-'))
  const broker = await startBroker()
  const fleet = new Fleet(options, folder, broker.address)
  const faults: Record<string, number> = {}
  let isBrokerUp = true
  const producer = producerTo(broker.address)
  try {
    await createTopic(broker.address, fleet.settings.input, partitions)
    await createTopic(broker.address, fleet.settings.output, partitions)
    for (let i = 0; i < options.gateways; i++) fleet.start(i)

    const expected = new Map<string, number>()
    let produced = 0
    let nextFault = performance.now() + 2_000
    const start = performance.now()
    while (produced < options.records) {
      const share = Math.min(1, (performance.now() - start) / options.durationMs)
      const due = Math.ceil(options.records * share)
      for (; produced < due; produced++) {
        const symbol = `k${Math.floor(random() * options.keys)}`
        const quantity = 1 + Math.floor(random() * 100)
        expected.set(symbol, (expected.get(symbol) ?? 0) + quantity)
        producer.send({
          topic: fleet.settings.input,
          key: symbol,
          value: JSON.stringify({ number: produced, symbol, quantity }),
        })
      }
      if (performance.now() > nextFault && share < 0.9) {
        const kind = await inflict()
        faults[kind] = (faults[kind] ?? 0) + 1
        log(`${((performance.now() - start) / 1_000).toFixed(1)} s: ${kind}`)
        nextFault = performance.now() + 1_000 + random() * 3_000
      }
      await new Promise((resolve) => setTimeout(resolve, BATCH_MS))
    }
    if (!isBrokerUp) await broker.restart()
    fleet.startAll()
    await producer.flush(60_000)
    log('all is produced; the gateways catch up')
    await caughtUp(broker.address, fleet.settings)
    await fleet.stopAll()
    return {
      seed,
      records: produced,
      faults,
      ...(await verdict(broker.address, fleet.settings, expected)),
      lostEnds: broker.lostEnds,
      seconds: Math.round((performance.now() - began) / 1_000),
    }

    /** Something goes wrong. */
    async function inflict(): Promise<string> {
      const kinds = ['kill a gateway', 'kill a gateway', 'stop a gateway', 'add a gateway']
      kinds.push('crash the broker', 'pause the broker')
      const kind = kinds[Math.floor(random() * kinds.length)] as string
      const which = Math.floor(random() * options.gateways)
      if (kind === 'kill a gateway') fleet.end(which, 'SIGKILL', random() * 3_000)
      else if (kind === 'stop a gateway') fleet.end(which, 'SIGTERM', random() * 3_000)
      else if (kind === 'add a gateway') fleet.add()
      else if (kind === 'pause the broker') {
        broker.pause()
        await new Promise((resolve) => setTimeout(resolve, 500 + random() * 2_000))
        broker.resume()
      } else if (isBrokerUp) {
        isBrokerUp = false
        await broker.crash()
        await broker.restart()
        isBrokerUp = true
      }
      return kind
    }
  } finally {
    await producer.close(1_000).catch(() => undefined)
    fleet.kill()
    await broker.remove()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The gateways, as processes. */
class Fleet {
  readonly settings: ChaosSettings
  readonly #options: ChaosOptions
  readonly #folder: string
  readonly #running = new Map<number, ChildProcess>()
  readonly #timers = new Set<ReturnType<typeof setTimeout>>()
  #extra = 100

  constructor(options: ChaosOptions, folder: string, broker: string) {
    const run = randomUUID().slice(0, 8)
    this.#options = options
    this.#folder = folder
    this.settings = {
      broker,
      groupId: `chaos-${run}`,
      input: `orders-${run}`,
      output: `totals-${run}`,
      folder,
      exactlyOnce: options.exactlyOnce,
      sessionTimeoutMs: options.sessionTimeoutMs,
      slowMs: options.slowMs,
    }
  }

  start(which: number): void {
    if (this.#running.has(which)) return
    const settings = { ...this.settings, folder: join(this.#folder, `gateway-${which}`) }
    const child = spawn(process.execPath, [this.#options.program, JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr?.on('data', (text) =>
      this.#options.log(`gateway ${which}: ${String(text).trim()}`),
    )
    this.#running.set(which, child)
    child.once('exit', () => {
      if (this.#running.get(which) === child) this.#running.delete(which)
    })
  }

  startAll(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (let i = 0; i < this.#options.gateways; i++) this.start(i)
  }

  end(which: number, signal: NodeJS.Signals, backAfterMs: number): void {
    const child = this.#running.get(which)
    const back = (): void => {
      this.#timers.add(setTimeout(() => this.start(which), backAfterMs))
    }
    if (child === undefined) return back()
    child.once('exit', back)
    child.kill(signal)
  }

  /** One more for a while: the others give, and get back, partitions. */
  add(): void {
    const which = this.#extra++
    this.start(which)
    this.#timers.add(setTimeout(() => this.#running.get(which)?.kill('SIGTERM'), 4_000))
  }

  async stopAll(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(
      [...this.#running.values()].map(
        (child) =>
          new Promise<void>((resolve) => {
            child.once('exit', () => resolve())
            child.kill('SIGTERM')
            this.#timers.add(setTimeout(() => child.kill('SIGKILL'), 20_000))
          }),
      ),
    )
    for (const timer of this.#timers) clearTimeout(timer)
  }

  kill(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    for (const child of this.#running.values()) child.kill('SIGKILL')
  }
}

function producerTo(broker: string): KafkaProducer {
  return new KafkajsClient({ brokers: [broker], clientId: 'chaos-source' }).producer({
    maxPendingRecords: 1_000_000,
    maxPendingBytes: 512 * 2 ** 20,
    onStatus: () => undefined,
    onRefused: (record, error) => {
      throw new Error(`${record.topic} refused a record: ${error.message}`)
    },
  })
}

/** Until the group has committed all that there is. */
async function caughtUp(broker: string, { groupId, input }: ChaosSettings): Promise<void> {
  const deadline = performance.now() + CATCH_UP_MS
  for (;;) {
    const behind = await progressOf(broker, groupId, input).catch(() => undefined)
    if (behind === 0n) return
    if (performance.now() > deadline) {
      throw new Error(`the gateways are ${behind} records behind after ${CATCH_UP_MS / 1_000} s`)
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** Compares what the changelog holds, and what came out, with what is in the input topic, where all has to be that was sent. */
async function verdict(
  broker: string,
  { groupId, input, output }: ChaosSettings,
  sent: ReadonlyMap<string, number>,
): Promise<Pick<ChaosResult, 'short' | 'over' | 'inputs' | 'missing' | 'outputs' | 'odd'>> {
  const expected = new Map<string, number>()
  const came = await committedRecords(broker, input)
  const numbers = new Set<number>()
  for (const { value } of came) {
    const { number, symbol, quantity } = JSON.parse(value) as {
      number: number
      symbol: string
      quantity: number
    }
    numbers.add(number)
    expected.set(symbol, (expected.get(symbol) ?? 0) + quantity)
  }
  for (const [symbol, sum] of sent) {
    if ((expected.get(symbol) ?? 0) < sum) throw new Error(`records of ${symbol} were not written`)
  }
  const sums = new Map<string, { readonly value: number; readonly partition: number }>()
  for (const { key, value, partition } of await committedRecords(broker, `${groupId}-changelog`)) {
    const [, symbol] = JSON.parse(key ?? '[]') as [string, string]
    sums.set(symbol, { value: Number(value), partition })
  }
  let [short, over] = [0, 0]
  const odd: string[] = []
  for (const [symbol, sum] of expected) {
    const { value = 0, partition } = sums.get(symbol) ?? {}
    if (value < sum) short++
    if (value > sum) over++
    if (value !== sum) odd.push(`${symbol} on ${partition}: ${value} of ${sum}`)
  }
  const outputs = await committedRecords(broker, output)
  for (const { value } of outputs) numbers.delete((JSON.parse(value) as { number: number }).number)
  return { short, over, inputs: came.length, missing: numbers.size, outputs: outputs.length, odd }
}

/** Bundles the program of a gateway. @returns its path. */
export async function gatewayProgram(source: string, folder: string): Promise<string> {
  const program = join(folder, 'gateway.mjs')
  await bundle(source, program)
  return program
}
