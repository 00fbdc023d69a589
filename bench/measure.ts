/** One way of doing a scenario's work: runs it with `n` ticks and returns what came out, for the check. */
export type Side = (n: number) => number

/** The same work, done by us and by peers. */
export interface Scenario {
  readonly name: string
  /** What one counted unit is. */
  readonly unit: string
  /** Units a tick. */
  readonly unitsPerTick: number
  /** What each side has to return for `n` ticks. */
  readonly expected: (n: number) => number
  readonly sides: Readonly<Record<string, Side>>
}

/** Units a second of each side. */
export type Rates = Readonly<Record<string, number>>

/** Options of {@link measure}. */
export interface MeasureOptions {
  /** How long one sample of a side runs at least. */
  readonly sampleMs: number
  /** Samples of each side; sides take turns, the best one counts. */
  readonly rounds: number
}

/**
 * Measures the sides of a scenario in turns, so that a disturbance hits all of them.
 * @throws Error when a side returns something else than the scenario says.
 */
export function measure(scenario: Scenario, { sampleMs, rounds }: MeasureOptions): Rates {
  const sides = Object.entries(scenario.sides)
  const ticks = new Map(sides.map(([name, side]) => [name, ticksFor(scenario, side, sampleMs)]))
  const best: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, side] of sides) {
      const n = ticks.get(name) as number
      const rate = (n * scenario.unitsPerTick * 1_000) / timed(scenario, side, n)
      best[name] = Math.max(best[name] ?? 0, Math.round(rate))
    }
  }
  return best
}

/**
 * How many ticks take at least `sampleMs`; warms the side up on the way. One time above it may have been a disturbance, and
 * a sample that is too short measures the start.
 */
function ticksFor(scenario: Scenario, side: Side, sampleMs: number): number {
  let n = 16
  const isTooShort = (): boolean => timed(scenario, side, n) < sampleMs
  while (isTooShort() || isTooShort() || isTooShort()) n *= 2
  return n
}

/** CPU time of the process, collecting garbage in other threads included: what else the machine does hardly counts. */
function timed(scenario: Scenario, side: Side, n: number): number {
  const before = process.cpuUsage()
  const result = side(n)
  const { user, system } = process.cpuUsage(before)
  const expected = scenario.expected(n)
  if (result !== expected) {
    throw new Error(`${scenario.name}: a side returned ${result} for ${n} ticks, not ${expected}`)
  }
  return Math.max((user + system) / 1_000, Number.EPSILON)
}
