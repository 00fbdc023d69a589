import { type ParseArgsConfig, parseArgs } from 'node:util'
import {
  type ContractType,
  type DeliveryMode,
  type From,
  parsePosition,
  splitUnescaped,
} from '@gw/protocol'
import type { UntypedChannelClient } from './channel-client.js'
import type { ClientConnection } from './connection.js'
import { type ClientOptions, createClient } from './create-client.js'
import { type ChannelDescription, channelsOf } from './describe.js'
import { GatewayClientError } from './errors.js'
import { sse } from './sse.js'
import { tableWriter } from './table.js'

const USAGE = `Calls of a gateway.

  npx @gw/client channels
  npx @gw/client last CHANNEL [KEY]
  npx @gw/client next CHANNEL [KEY]
  npx @gw/client query CHANNEL [--where JSON] [--sort PATHS] [--limit N] [--offset N] [--select PATHS]
  npx @gw/client send CHANNEL [KEY] [--data JSON]     without --data: from standard input, a record a line
  npx @gw/client watch CHANNEL [KEY] [--from now|snapshot|EPOCH:OFFSET|TIME] [--where JSON] [--select PATHS]
                       [--mode nonCollapsing|lastValue|burst]

  --url URL           the gateway [the variable GW_URL, or http://127.0.0.1:8000]
  --unix PATH         the gateway's UNIX socket instead
  --sse               server-sent events in place of a WebSocket, where none comes through
  --key-file FILE     the file that holds the key [the key is in the variable GW_API_KEY, an access token in GW_TOKEN]
  --timeout SECONDS   bound of a call, and of the wait until a watch is running [30]
  --json              JSON lines on a terminal too, where tables are shown otherwise

A value that begins with a dash takes the form --sort=-quantity.
Ends with 0, with 1 when the gateway says no or is not there, with 2 when it was called wrongly, with 130 or 143 when it was
stopped before the answer came; a watch that is stopped ends with 0.
`

const OPTIONS = {
  url: { type: 'string' },
  unix: { type: 'string' },
  sse: { type: 'boolean' },
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
  mode: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} satisfies ParseArgsConfig['options']

class UsageError extends Error {}

/** What a command reads and writes. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person reads. */
  readonly isInteractive: boolean
  /** Ends a command that goes on; its reason is the code to exit with where that leaves something without answer. */
  readonly signal: AbortSignal
  /** The lines of standard input, as they come. */
  stdin(): AsyncIterable<string>
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
    if (error.code === 'ABORTED' && error.cause instanceof GatewayClientError) {
      return failed(terminal, error.cause)
    }
    const { aborted, reason } = terminal.signal
    // A watch has no other end; what was to be answered, was not.
    if (aborted) return args.includes('watch') ? 0 : Number(reason)
    return failed(terminal, error)
  }
}

function failed({ stderr }: Terminal, error: GatewayClientError): number {
  stderr(`${error.code}: ${sentenceOf(error)}\n`)
  return 1
}

/** What an error says, with what is at the bottom of it; a server's words do not write over the terminal. */
function sentenceOf(error: GatewayClientError): string {
  let bottom: unknown = error.cause
  while (bottom instanceof Error && bottom.cause instanceof Error) bottom = bottom.cause
  const { message = '', code = '' } = (bottom ?? {}) as { message?: string; code?: string }
  const why = message || code
  const text = why === '' ? error.message : `${error.message} (${why})`
  return text.replace(/\p{Cc}/gu, '\uFFFD')
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
  const textOf = terminal.isInteractive && values.json !== true ? tableWriter() : linesOf
  const print = (value: unknown): void => terminal.stdout(textOf(value))
  if (rest[0] !== undefined) throw new UsageError(`what is ${rest[0]}?`)
  if (command === undefined) throw new UsageError('name a command')
  const options = await optionsOf(values, terminal)
  const { signal } = terminal
  if (!['channels', 'last', 'next', 'query', 'send', 'watch'].includes(command)) {
    throw new UsageError(`no command ${command}`)
  }
  if (command === 'channels' && name !== undefined) throw new UsageError(`what is ${name}?`)
  const client = createClient<ContractType>(options)
  try {
    if (command === 'channels') {
      return print(channelsOf(await client.$describe({ signal })).map(rowOf))
    }
    if (name === undefined) throw new UsageError(`${command} what? Name a channel`)
    // These, and what is not there, are a client's own.
    const isOwn = name.startsWith('$') || name === 'then'
    if (isOwn) throw new UsageError(`${name} is no name of a channel`)
    const channel = (client as unknown as Record<string, UntypedChannelClient>)[name]
    const begun = { ...terminal, signal: AbortSignal.any([signal, notThere(client.$connection)]) }
    await call(command, channel as UntypedChannelClient, key, values, begun, print)
  } finally {
    client.$close()
  }
}

/** Aborts when the first attempt to connect fails: a client would go on trying, and somebody at a terminal would not know why. */
function notThere(connection: ClientConnection): AbortSignal {
  const abort = new AbortController()
  const timer = setInterval(() => {
    const { state, error } = connection
    if (state === 'live') clearInterval(timer)
    else if (error !== undefined) {
      clearInterval(timer)
      abort.abort(error)
    }
  }, 20).unref()
  return abort.signal
}

async function call(
  command: string,
  channel: UntypedChannelClient,
  key: string | undefined,
  values: Values,
  { signal, stdin, stderr }: Terminal,
  print: (value: unknown) => void,
): Promise<void> {
  const on = <O>(options: O): [string, O] | [O] => (key === undefined ? [options] : [key, options])
  const select = values.select === undefined ? {} : { select: splitUnescaped(values.select, ',') }
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
        ...(values.sort === undefined ? {} : { sort: splitUnescaped(values.sort, ',') }),
        ...(values.limit === undefined ? {} : { limit: countOf('--limit', values.limit) }),
        ...(values.offset === undefined ? {} : { offset: countOf('--offset', values.offset) }),
      }
      return print(await channel.query(query as Parameters<typeof channel.query>[0], { signal }))
    }
    case 'send': {
      let line = 0
      let sent = 0
      const texts = values.data === undefined ? stdin() : [values.data]
      for await (const text of texts) {
        line++
        if (text.trim() === '') continue
        const data = jsonOf(values.data === undefined ? `line ${line}` : 'the data', text)
        print((await channel.sendAll(data, ...on({ signal }))).records)
        sent++
      }
      if (sent === 0) throw new UsageError('nothing to send')
      return
    }
    default: {
      const options = {
        ...where,
        ...select,
        ...fromOf(values.from),
        ...modeOf(values.mode),
        timeoutMs: timeoutOf(values) ?? 30_000,
      }
      const isBasket = key === undefined
      for await (const event of channel.subscribe(...on({ ...options, signal })).events()) {
        if (event.type === 'data') {
          const { key: ticked, value } = event
          const isKeyed = isBasket && ticked !== undefined
          print(
            values.mode === 'burst' && !isKeyed
              ? value
              : [isKeyed ? { key: ticked, value } : value],
          )
        } else if (event.type === 'gap') {
          const range = event.from === undefined ? '' : `, ${event.from} to ${event.to}`
          stderr(`gap: ticks are missing here (${event.reason}${range})\n`)
        } else if (event.type === 'removed') {
          stderr(`removed: ${event.key}\n`)
        }
      }
    }
  }
}

/** What is shown of a channel. */
function rowOf(channel: ChannelDescription): object {
  const { name, kind, keys, isSendable, isStaged, states, doc } = channel
  const calls = ['last', 'next', 'watch', isSendable && 'send', isStaged && 'stage']
  return {
    name,
    kind,
    calls: calls.filter((call) => call !== false).join(' '),
    ...(states.length === 0 ? {} : { states: states.map((state) => state.name).join(' ') }),
    ...(keys === undefined ? {} : { keys: keys.join(' ') }),
    ...(doc === undefined ? {} : { doc }),
  }
}

async function optionsOf(values: Values, { env, readFile }: Terminal): Promise<ClientOptions> {
  const timeoutMs = timeoutOf(values)
  const apiKey =
    values['key-file'] === undefined ? env.GW_API_KEY : keyIn(values['key-file'], readFile)
  const common = { apiKey, token: env.GW_TOKEN, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  if (values.unix === undefined) {
    const url = values.url ?? env.GW_URL ?? 'http://127.0.0.1:8000'
    return { ...common, url, ...(values.sse ? sse() : {}) }
  }
  // It needs `ws`, which only those have who asked for it.
  const { unix } = await import('./unix.js').catch(() => {
    throw new UsageError('--unix needs the package ws: npx -p @gw/client -p ws gw-client ...')
  })
  const way = unix(values.unix)
  return { ...common, ...way, ...(values.sse ? sse(way) : {}) }
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

function fromOf(text: string | undefined): { readonly from?: From } {
  if (text === undefined) return {}
  if (text === 'now' || text === 'snapshot') return { from: text }
  const position = parsePosition(text)
  if (position !== undefined) return { from: position }
  if (!Number.isNaN(Date.parse(text))) return { from: { time: text } }
  throw new UsageError(`--from is now, snapshot, EPOCH:OFFSET or a time, not ${text}`)
}

function modeOf(text: string | undefined): { readonly mode?: DeliveryMode } {
  if (text === undefined) return {}
  if (text === 'nonCollapsing' || text === 'lastValue' || text === 'burst') return { mode: text }
  throw new UsageError(`--mode is nonCollapsing, lastValue or burst, not ${text}`)
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
