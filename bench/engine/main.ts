import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Rates } from '../measure.js'
import { cspRates } from './csp.js'
import { scenarios } from './scenarios.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false } },
})
const chosen = scenarios.filter(({ name }) => {
  return positionals.length === 0 || positionals.includes(name)
})

const python = process.env.CSP_PYTHON
const csp = python === undefined ? {} : cspRates(python, chosen)
const results: Record<string, Rates> = {}
for (const { name, unit } of chosen) {
  const rates = { ...(JSON.parse(run('engine-scenario', name)) as Rates), ...csp[name] }
  const shown = Object.entries(rates).map(([side, rate]) => `${side} ${millions(rate)}`)
  console.log(`${name.padEnd(13)} ${unit.padEnd(11)}/s  ${shown.join('  ')}`)
  const { gwLoop: _, ...compared } = rates
  results[name] = compared
}
if (positionals.length === 0) {
  console.log('\nWhat a steady cycle allocates')
  // The young generation, MiB, has room for all of a measurement; and code is optimised when it is hot, not when another
  // thread has found the time: what is not optimised yet boxes numbers.
  const flags = ['--min-semi-space-size=256', '--max-semi-space-size=256']
  console.log(run(...flags, '--no-concurrent-recompilation', 'engine-heap'))
  console.log('What a graph costs by its size')
  console.log(run('--expose-gc', '--max-old-space-size=4096', 'engine-size'))
  console.log('What keys that come and go leave behind')
  console.log(run('--expose-gc', 'engine-keys'))
}
if (values.json) console.log(JSON.stringify(results))

/** Runs a program of this folder in a process of its own, so that no measurement finds what another has left. */
function run(...args: string[]): string {
  const flags = args.filter((arg) => arg.startsWith('--'))
  const [program, ...rest] = args.filter((arg) => !arg.startsWith('--'))
  const file = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
  return execFileSync(process.execPath, [...flags, file, ...rest], { encoding: 'utf8' })
}

function millions(rate: number): string {
  return `${(rate / 1_000_000).toFixed(rate < 1_000_000 ? 2 : 1)} M`
}
