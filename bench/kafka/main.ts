import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { missingForBroker, startBroker } from '../../packages/kafka/test/broker/broker.js'
import { Bare } from './bare.js'
import { Gateways } from './gateways.js'
import { barePipe, gatewayPipe, type Latency, latencyOf } from './latency.js'
import { type Shared, shareTopic } from './processes.js'
import { type Restore, type Restored, restore } from './restore.js'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    records: { type: 'string', default: '200000' },
    state: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', multiple: true },
  },
})
const RECORDS = Number(values.records)
const STATE = Number(values.state)
const ROUNDS = Number(values.rounds)
/** So that 1, 2 and 3 gateways have equally many. */
const PARTITIONS = 6
const BATCH = 2_000
const RATE = 5_000
const LATENCY_S = 6

const missing = missingForBroker()
if (missing !== undefined) throw new Error(`no broker can be started here: ${missing}`)
const broker = await startBroker()
const folder = mkdtempSync(join(tmpdir(), 'gw-bench-kafka-'))
const bare = new Bare(broker.address)
const gateways = new Gateways(broker.address)
const results: Record<string, unknown> = {}

try {
  const full = await newTopic()
  await bare.publish(full, RECORDS, BATCH)
  await scenario('publish', () =>
    inTurns(
      'publish',
      async () => gateways.publish(await newTopic(), RECORDS),
      async () => bare.publish(await newTopic(), RECORDS, BATCH),
    ),
  )
  await scenario('subscribe', () =>
    inTurns(
      'subscribe',
      () => gateways.subscribe(full, RECORDS),
      () => bare.subscribe(full, RECORDS),
    ),
  )
  await scenario('exactlyOnce', () =>
    inTurns(
      'exactlyOnce',
      async () => gateways.exactlyOnce(full, await newTopic(), RECORDS),
      async () => bare.exactlyOnce(full, await newTopic(), RECORDS),
    ),
  )
  await scenario('processes', processes)
  await scenario('latency', latency)
  for (const kind of ['store', 'state'] as const) {
    await scenario(`restore ${kind}`, () => restored(kind))
  }
  if (values.json) console.log(JSON.stringify(results))
} finally {
  await broker.remove()
  rmSync(folder, { recursive: true, force: true })
}

async function scenario(name: string, measure: () => Promise<unknown>): Promise<void> {
  const [group = name, part] = name.split(' ')
  if (values.only !== undefined && !values.only.includes(group)) return
  const result = await measure()
  if (part === undefined) results[group] = result
  else results[group] = { ...(results[group] as object | undefined), [part]: result }
}

async function newTopic(): Promise<string> {
  const topic = randomUUID()
  await bare.createTopic(topic, PARTITIONS)
  return topic
}

interface Rates {
  readonly gw: number
  readonly kafkajs: number
  readonly ratio: number
}

/** Records a second of both sides, which take turns; the best round of each counts. */
async function inTurns(
  name: string,
  gw: () => Promise<number>,
  kafkajs: () => Promise<number>,
): Promise<Rates> {
  const best = { gw: Number.POSITIVE_INFINITY, kafkajs: Number.POSITIVE_INFINITY }
  for (let round = 0; round < ROUNDS; round++) {
    best.kafkajs = Math.min(best.kafkajs, await kafkajs())
    best.gw = Math.min(best.gw, await gw())
  }
  const perSecond = (ms: number): number => Math.round((RECORDS * 1_000) / ms)
  const rates = {
    gw: perSecond(best.gw),
    kafkajs: perSecond(best.kafkajs),
    ratio: Number((best.kafkajs / best.gw).toFixed(2)),
  }
  say(name, `records/s  gw ${rates.gw}  kafkajs ${rates.kafkajs}  ratio ${rates.ratio}`)
  return rates
}

/** The same topic, read by one gateway, by two and by three. */
async function processes(): Promise<Record<string, Shared & { readonly factor: number }>> {
  const records = 3 * RECORDS
  const topic = await newTopic()
  await bare.publish(topic, records, BATCH)
  const shared: Record<string, Shared & { readonly factor: number }> = {}
  let alone = 0
  for (const count of [1, 2, 3]) {
    const one = await shareTopic(bare, broker.address, topic, records, count)
    alone ||= one.recordsPerSecond
    const factor = Number((one.recordsPerSecond / alone).toFixed(2))
    shared[count] = { ...one, factor }
    say(
      `processes${count}`,
      `records/s ${one.recordsPerSecond}  factor ${factor}  cores: gateways ${one.gatewayCores}, all ${one.machineCores} of ${cpus().length}`,
    )
  }
  return shared
}

async function latency(): Promise<Record<'gw' | 'kafkajs', Latency>> {
  const kafkajs = await latencyOf(barePipe(bare, await newTopic()), RATE, LATENCY_S)
  const gw = await latencyOf(gatewayPipe(broker.address, await newTopic()), RATE, LATENCY_S)
  say(
    `latency${RATE}`,
    `ms  gw p50 ${gw.p50Ms} p99 ${gw.p99Ms}  kafkajs p50 ${kafkajs.p50Ms} p99 ${kafkajs.p99Ms}`,
  )
  return { gw, kafkajs }
}

async function restored(kind: 'store' | 'state'): Promise<Restore> {
  const result = await restore(bare, broker.address, kind, STATE, folder)
  const text = ({ ms, rssMb, bareMb }: Restored): string =>
    `${(ms / 1_000).toFixed(2)} s, ${rssMb - bareMb} MB`
  say(
    `restore ${kind}`,
    `${STATE} records  changelog ${text(result.changelog)}  checkpoint ${text(result.checkpoint)}`,
  )
  return result
}

function say(name: string, text: string): void {
  console.log(`${name.padEnd(15)}${text}`)
}
