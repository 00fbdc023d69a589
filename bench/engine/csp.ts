import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Rates, Scenario } from '../measure.js'

/** What the script prints for one side of a scenario. */
interface Measurement {
  readonly scenario: string
  readonly side: 'csp' | 'cspPython'
  readonly n: number
  readonly seconds: number
  readonly result: number
}

// Also from dist/, where this is built to.
const SCRIPT = fileURLToPath(new URL('../engine/csp_scenarios.py', import.meta.url))

/**
 * Runs the scenarios in csp, by name.
 * @throws Error when `python` has no csp, or a result is not what the scenario says.
 */
export function cspRates(
  python: string,
  scenarios: readonly Scenario[],
): Readonly<Record<string, Rates>> {
  const rates: Record<string, Record<string, number>> = {}
  const lines = execFileSync(python, [SCRIPT, ...scenarios.map(({ name }) => name)], {
    encoding: 'utf8',
    timeout: 300_000,
  })
  for (const line of lines.trim().split('\n')) {
    const { scenario: name, side, n, seconds, result } = JSON.parse(line) as Measurement
    const scenario = scenarios.find((each) => each.name === name)
    if (scenario === undefined) throw new Error(`csp measured ${name}, which is no scenario`)
    const expected = scenario.expected(n)
    if (result !== expected) {
      throw new Error(`${name}: ${side} returned ${result} for ${n} ticks, not ${expected}`)
    }
    rates[name] = { ...rates[name], [side]: Math.round((n * scenario.unitsPerTick) / seconds) }
  }
  return rates
}
