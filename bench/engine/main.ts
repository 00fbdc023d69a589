import { parseArgs } from 'node:util'
import { measure, type Rates } from '../measure.js'
import { cspRates } from './csp.js'
import { scenarios } from './scenarios.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
})

const python = process.env.CSP_PYTHON
const csp = python === undefined ? {} : cspRates(python, scenarios)
const results: Record<string, Rates> = {}
for (const scenario of scenarios) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue
  const rates = { ...measure(scenario, { sampleMs: 200, rounds: 5 }), ...csp[scenario.name] }
  results[scenario.name] = rates
  const shown = Object.entries(rates).map(([side, rate]) => `${side} ${millions(rate)}`)
  console.log(`${scenario.name.padEnd(12)} ${scenario.unit}/s  ${shown.join('  ')}`)
}
if (values.json) console.log(JSON.stringify(results))

function millions(rate: number): string {
  return `${(rate / 1_000_000).toFixed(1)} M`
}
