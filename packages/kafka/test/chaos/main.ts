// pnpm chaos:kafka [--seed N] [--records N] [--mode exactly-once|at-least-once] [--seconds N] [--slow MS] [--json]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { missingForBroker } from '../broker/broker.js'
import { type ChaosResult, gatewayProgram, runChaos } from './chaos.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    records: { type: 'string', default: '200000' },
    mode: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    slow: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
})
const missing = missingForBroker()
if (missing !== undefined) {
  console.error(`no broker can be started here: ${missing}`)
  process.exit(2)
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const modes = values.mode === undefined ? ['exactly-once', 'at-least-once'] : [values.mode]
const folder = mkdtempSync(join(tmpdir(), 'gw-chaos-program-'))
const results: Record<string, ChaosResult> = {}
let isGood = true
try {
  const program = await gatewayProgram(
    join(process.cwd(), 'packages/kafka/test/chaos/gateway.ts'),
    folder,
  )
  for (const mode of modes) {
    console.log(`${mode}, seed ${seed}`)
    const result = await runChaos({
      seed,
      records: Number(values.records),
      keys: 1_000,
      partitions: 6,
      gateways: 3,
      exactlyOnce: mode === 'exactly-once',
      durationMs: Number(values.seconds) * 1_000,
      sessionTimeoutMs: 6_000,
      slowMs: Number(values.slow),
      program,
      log: (line) => console.log(`  ${line}`),
    })
    results[mode] = result
    const { records, inputs, outputs, missing, short, over, lostEnds } = result
    if (result.odd.length > 0) console.log(`  ${result.odd.slice(0, 20).join('; ')}`)
    const isWhole = inputs >= records && missing === 0 && short === 0
    const isExact = isWhole && over === 0 && outputs === inputs
    if (lostEnds > 0) {
      console.log(
        `  the broker has left out ends of transactions ${lostEnds} times: no gateway can make up for all of that`,
      )
    }
    const isRight = mode === 'exactly-once' && lostEnds === 0 ? isExact : isWhole
    isGood &&= isRight
    console.log(
      `  ${isRight ? 'ok' : 'FAIL'}: ${records} records sent, ${inputs} written, ${outputs} outputs, ${missing} records missing, ${short} keys short, ${over} over, ${result.seconds} s`,
    )
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (values.json) console.log(JSON.stringify(results))
process.exit(isGood ? 0 : 1)
