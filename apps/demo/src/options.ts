import { parseArgs } from 'node:util'
import { type Timestamp, timestampOf } from '@gw/core'

/** A command line that cannot be followed; the message says why, in one sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'USAGE'
}

/** What to tell about an error: a sentence where it has a code, else the stack of what is a fault of ours. */
export function reportOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' ? error.message : (error.stack ?? error.message)
}

/** What the demo was asked to do. */
export interface DemoCommand {
  readonly help: boolean
  readonly speed: number
  readonly from: Timestamp | undefined
  readonly atEnd: 'stop' | 'loop'
  readonly port: number | undefined
  readonly host: string | undefined
  readonly unix: string | undefined
  readonly apiKey: string | undefined
  readonly auth: boolean
  readonly data: string | undefined
}

export const DEMO_HELP = `Replays six months of US departures as a live gateway.

  --speed N       times real time (600)
  --from TIME     first departure to replay, as 2001-03-01 or 2001-03-01T06:00Z (the data's first)
  --at-end WHAT   stop: end the process; loop: go on with times shifted by the data's span (stop)
  --port N        port of REST and WebSocket (8000, or GW_PORT); 0 takes a free one
  --host ADDRESS  address to listen on (127.0.0.1, or GW_HOST)
  --unix PATH     serve on a UNIX socket too
  --api-key KEY   key that clients show (API_KEY, or a new one that is printed)
  --no-auth       let everybody in
  --data FILE     another parquet file of departures with the same columns
  --help          this text

With KAFKA_BROKERS set, flights and alerts go to the topics gw.flights and gw.alerts, and thresholds come from
gw.thresholds. GW_TITLE is the title of the API.
`

/** Reads the demo's command line. @throws UsageError when an option is unknown or makes no sense. */
export function parseDemoCommand(args: readonly string[]): DemoCommand {
  const values = parse(args, {
    help: { type: 'boolean', short: 'h' },
    speed: { type: 'string' },
    from: { type: 'string' },
    'at-end': { type: 'string' },
    port: { type: 'string' },
    host: { type: 'string' },
    unix: { type: 'string' },
    'api-key': { type: 'string' },
    'no-auth': { type: 'boolean' },
    data: { type: 'string' },
  })
  const speed = Number(values.speed ?? 600)
  if (!(speed > 0 && Number.isFinite(speed))) {
    throw new UsageError(`--speed is a number above 0, not "${values.speed}"`)
  }
  const atEnd = values['at-end'] ?? 'stop'
  if (atEnd !== 'stop' && atEnd !== 'loop') {
    throw new UsageError(`--at-end is stop or loop, not "${atEnd}"`)
  }
  if (values['api-key'] !== undefined && values['no-auth'] === true) {
    throw new UsageError('--api-key and --no-auth exclude each other')
  }
  return {
    help: values.help === true,
    speed,
    from: values.from === undefined ? undefined : timeOf(values.from),
    atEnd,
    port: values.port === undefined ? undefined : wholeNumber('--port', values.port, 0, 65_535),
    host: values.host,
    unix: values.unix,
    apiKey: values['api-key'],
    auth: values['no-auth'] !== true,
    data: values.data,
  }
}

/** What the backtest was asked to do. */
export interface BacktestCommand {
  readonly help: boolean
  readonly rows: number | undefined
  readonly json: boolean
  readonly data: string | undefined
}

export const BACKTEST_HELP = `Runs the demo's modules over all departures in simulated time, as fast as the machine goes.

  --rows N     stop after N departures (all)
  --json       print the counts as one line of JSON, last
  --data FILE  another parquet file of departures with the same columns
  --help       this text
`

/** Reads the backtest's command line. @throws UsageError when an option is unknown or makes no sense. */
export function parseBacktestCommand(args: readonly string[]): BacktestCommand {
  const values = parse(args, {
    help: { type: 'boolean', short: 'h' },
    rows: { type: 'string' },
    json: { type: 'boolean' },
    data: { type: 'string' },
  })
  return {
    help: values.help === true,
    rows:
      values.rows === undefined
        ? undefined
        : wholeNumber('--rows', values.rows, 1, Number.MAX_SAFE_INTEGER),
    json: values.json === true,
    data: values.data,
  }
}

type OptionTypes = {
  readonly [name: string]: { readonly type: 'string' | 'boolean'; readonly short?: string }
}

function parse<const O extends OptionTypes>(
  args: readonly string[],
  options: O,
): { readonly [K in keyof O]?: O[K]['type'] extends 'string' ? string : boolean } {
  // pnpm hands a "--" of its callers on.
  const own = args[0] === '--' ? args.slice(1) : args
  try {
    return parseArgs({ args: [...own], options, strict: true }).values as never
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(/\.\s/)[0] : String(error)
    throw new UsageError(`${reason}; --help lists the options`)
  }
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new UsageError(`${name} is a whole number from ${least} to ${most}, not "${text}"`)
  }
  return value
}

function timeOf(text: string): Timestamp {
  try {
    return timestampOf(text)
  } catch {
    throw new UsageError(`--from is a time as 2001-03-01 or 2001-03-01T06:00Z, not "${text}"`)
  }
}
