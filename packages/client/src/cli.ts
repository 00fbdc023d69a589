import { type ParseArgsConfig, parseArgs } from 'node:util'
import { type ContractType, type From, pathOf } from '@gw/protocol'
import type { UntypedChannelClient } from './channel-client.js'
import { type ClientOptions, createClient } from './create-client.js'
import { GatewayClientError } from './errors.js'
import { Rest } from './rest.js'
import { tableOf } from './table.js'

const USAGE = `Calls of a gateway.

  npx @gw/client channels
  npx @gw/client last CHANNEL [KEY]
  npx @gw/client next CHANNEL [KEY]
  npx @gw/client query CHANNEL [--where JSON] [--sort PATHS] [--limit N] [--offset N] [--select PATHS]
  npx @gw/client send CHANNEL [KEY] [--data JSON]     without --data: from standard input, a record a line
  npx @gw/client watch CHANNEL [KEY] [--from now|snapshot] [--where JSON] [--select PATHS]

  --url URL           the gateway [the variable GW_URL, or http://127.0.0.1:8000]
  --unix PATH         the gateway's UNIX socket instead
  --key-file FILE     the file that holds the key [the key is in the variable GW_API_KEY]
  --timeout SECONDS   bound of a call
  --json              JSON lines on a terminal too, where tables are shown otherwise

A value that begins with a dash takes the form --sort=-quantity.
Ends with 0, with 1 when the gateway says no or is not there, with 2 when it was called wrongly.
`

const OPTIONS = {
  url: { type: 'string' },
  unix: { type: 'string' },
  'key-file': { type: 'string' },
  timeout: { type: 'string' },
  json: { type: 'boolean' },
  where: { type: 'string' },
  sort: { type: 'string' },
  limit: { type: 'string' },
  offset: { type: 'string' },
  select: { type: 'string' },
  data: { type: 'string' },
  from: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} satisfies ParseArgsConfig['options']

class UsageError extends Error {}

/** What a command reads and writes. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person reads. */
  readonly isInteractive: boolean
  /** Ends a command that goes on. */
  readonly signal: AbortSignal
  /** All of standard input. */
  stdin(): string
  readFile(path: string): string
  stdout(text: string): void
  stderr(text: string): void
}

/** Runs the command. @returns its exit code */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const { values, positionals } = parsed(args)
    if (values.help) terminal.stdout(USAGE)
    else await run(positionals, values, terminal)
    return 0
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.stderr(`${error.message}; --help tells more\n`)
      return 2
    }
    if (!(error instanceof GatewayClientError)) throw error
    if (terminal.signal.aborted) return 0
    terminal.stderr(`${error.code}: ${error.message}\n`)
    return 1
  }
}

type Values = ReturnType<typeof parsed>['values']

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function run(
  [command, name, key, ...rest]: readonly string[],
  values: Values,
  terminal: Terminal,
): Promise<void> {
  const print = (value: unknown): void => {
    const asTable = terminal.isInteractive && values.json !== true
    terminal.stdout(asTable ? tableOf(value) : linesOf(value))
  }
  if (rest[0] !== undefined) throw new UsageError(`what is ${rest[0]}?`)
  if (command === undefined) throw new UsageError('name a command')
  const options = await optionsOf(values, terminal)
  const { signal } = terminal
  if (command === 'channels') {
    if (name !== undefined) throw new UsageError(`what is ${name}?`)
    const base = options.url.replace(/^ws/, 'http').replace(/\/+$/, '')
    const rest = new Rest(base, options.apiKey, options.fetch ?? fetch, options.timeoutMs ?? 30_000)
    const path = `${pathOf('last')}/`
    return print((await rest.call({ method: 'GET', path, idempotent: true, signal })).body)
  }
  if (!['last', 'next', 'query', 'send', 'watch'].includes(command)) {
    throw new UsageError(`no command ${command}`)
  }
  if (name === undefined) throw new UsageError(`${command} what? Name a channel`)
  const client = createClient<ContractType>(options)
  try {
    const channel = (client as unknown as Record<string, UntypedChannelClient>)[name]
    if (channel === undefined) throw new UsageError(`${name} is no name of a channel`)
    await call(command, channel, key, values, terminal, print)
  } finally {
    client.$close()
  }
}

async function call(
  command: string,
  channel: UntypedChannelClient,
  key: string | undefined,
  values: Values,
  { signal, stdin }: Terminal,
  print: (value: unknown) => void,
): Promise<void> {
  const on = <O>(options: O): [string, O] | [O] => (key === undefined ? [options] : [key, options])
  const select = values.select === undefined ? {} : { select: values.select.split(',') }
  const where = values.where === undefined ? {} : { where: objectOf('--where', values.where) }
  switch (command) {
    case 'last':
      return print(await channel.last(...on({ signal })))
    case 'next': {
      const timeoutMs = timeoutOf(values)
      const bound = timeoutMs === undefined ? {} : { timeoutMs }
      return print(await channel.next(...on({ signal, ...bound })))
    }
    case 'query': {
      if (key !== undefined) throw new UsageError(`what is ${key}?`)
      const query = {
        ...where,
        ...select,
        ...(values.sort === undefined ? {} : { sort: values.sort.split(',') }),
        ...(values.limit === undefined ? {} : { limit: countOf('--limit', values.limit) }),
        ...(values.offset === undefined ? {} : { offset: countOf('--offset', values.offset) }),
      }
      return print(await channel.query(query as Parameters<typeof channel.query>[0], { signal }))
    }
    case 'send': {
      const texts = values.data === undefined ? stdin().split('\n') : [values.data]
      const inputs = texts.filter((text) => text.trim() !== '')
      if (inputs.length === 0) throw new UsageError('nothing to send')
      for (const data of inputs.map((text) => jsonOf('the data', text))) {
        print((await channel.sendAll(data, ...on({ signal }))).records)
      }
      return
    }
    default: {
      const from = fromOf(values.from)
      const subscription = channel.subscribe(...on({ ...where, ...select, ...from, signal }))
      for await (const value of subscription) print([value])
    }
  }
}

async function optionsOf(values: Values, { env, readFile }: Terminal): Promise<ClientOptions> {
  const timeoutMs = timeoutOf(values)
  const apiKey =
    values['key-file'] === undefined ? env.GW_API_KEY : keyIn(values['key-file'], readFile)
  const common = { apiKey, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  if (values.unix === undefined) {
    return { ...common, url: values.url ?? env.GW_URL ?? 'http://127.0.0.1:8000' }
  }
  // It needs `ws`, which only those have who asked for it.
  const { unix } = await import('./unix.js')
  return { ...common, ...unix(values.unix) }
}

function keyIn(path: string, readFile: Terminal['readFile']): string {
  try {
    return readFile(path).trim()
  } catch (error) {
    throw new UsageError(`the key's file cannot be read: ${(error as Error).message}`)
  }
}

function timeoutOf({ timeout }: Values): number | undefined {
  if (timeout === undefined) return undefined
  const ms = Number(timeout) * 1000
  if (ms > 0 && Number.isFinite(ms)) return ms
  throw new UsageError(`--timeout is a number of seconds above 0, not ${timeout}`)
}

function countOf(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${option} is a whole number, not ${text}`)
}

function fromOf(from: string | undefined): { readonly from?: From } {
  if (from === undefined) return {}
  if (from === 'now' || from === 'snapshot') return { from }
  throw new UsageError(`--from is now or snapshot, not ${from}`)
}

function objectOf(what: string, text: string): object {
  const value = jsonOf(what, text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new UsageError(`${what} is a JSON object, such as {"symbol":"AAPL"}`)
}

function jsonOf(what: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`${what} is no JSON: ${text}`)
  }
}

/** A line for each record of a list; nothing for what has not ticked. */
function linesOf(value: unknown): string {
  const records = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}
