import { parseArgs } from 'node:util'
import { DuckDbState } from './duckdb.js'
import { runWithMap, runWithoutState, runWithState } from './gateway.js'
import { SCANNED_PRICE, Workload } from './workload.js'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    records: { type: 'string', default: '1000000' },
  },
})

const workload = new Workload(Number(values.records))
const ROUNDS = 3

let withState = Number.POSITIVE_INFINITY
let withMap = Number.POSITIVE_INFINITY
let without = Number.POSITIVE_INFINITY
for (let round = 0; round < ROUNDS; round++) {
  without = Math.min(without, (await runWithoutState(workload)).updateNs)
  withMap = Math.min(withMap, (await runWithMap(workload)).updateNs)
  withState = Math.min(withState, (await runWithState(workload)).updateNs)
}
const { channels } = await runWithState(workload)
const duckdb = await DuckDbState.load(workload)

const equality = await inTurns(
  2_000,
  (i) => channels.query('trades', { where: { account: workload.account(i * 7_919) } }).length,
  async (i) => (await duckdb.equality(workload.account(i * 7_919))).length,
)
const scan = await inTurns(
  20,
  () => channels.query('trades', { where: { price: { gt: SCANNED_PRICE }, side: 'buy' } }).length,
  async () => (await duckdb.scan()).length,
)
duckdb.close()

const perSecond = (ns: number): number => Math.round(1e9 / ns)
const results = {
  update: { gw: perSecond(withState), map: perSecond(withMap) },
  equality: { gw: perSecond(equality.gw), duckdb: perSecond(equality.duckdb) },
  scan: { gw: perSecond(scan.gw), duckdb: perSecond(scan.duckdb) },
}
console.log(`${workload.size.toLocaleString('en')} records`)
console.log(
  `update    gw ${withState.toFixed(0)} ns  map ${withMap.toFixed(0)} ns  without either ${without.toFixed(0)} ns  (state ${(withState - without).toFixed(0)} ns, map ${(withMap - without).toFixed(0)} ns)`,
)
console.log(
  `equality  gw ${(equality.gw / 1e6).toFixed(4)} ms  duckdb ${(equality.duckdb / 1e6).toFixed(4)} ms`,
)
console.log(
  `scan      gw ${(scan.gw / 1e6).toFixed(2)} ms  duckdb ${(scan.duckdb / 1e6).toFixed(2)} ms`,
)
if (values.json) console.log(JSON.stringify(results))

/** Nanoseconds that one call takes each side, which take turns; the best of some rounds counts. */
async function inTurns(
  calls: number,
  gw: (i: number) => number,
  duckdb: (i: number) => Promise<number>,
): Promise<{ readonly gw: number; readonly duckdb: number }> {
  let best = { gw: Number.POSITIVE_INFINITY, duckdb: Number.POSITIVE_INFINITY }
  for (let round = 0; round < ROUNDS; round++) {
    let found = 0
    let started = performance.now()
    for (let i = 0; i < calls; i++) found += gw(i)
    const ours = performance.now() - started
    started = performance.now()
    for (let i = 0; i < calls; i++) found -= await duckdb(i)
    const theirs = performance.now() - started
    if (found !== 0) throw new Error(`the sides found different numbers of records: ${found}`)
    best = {
      gw: Math.min(best.gw, (ours * 1e6) / calls),
      duckdb: Math.min(best.duckdb, (theirs * 1e6) / calls),
    }
  }
  return best
}
