import { type ParseArgsConfig, parseArgs } from 'node:util'
import type { ClientOptions } from '@gw/client'
import { sse } from '@gw/client/sse'
import { unix } from '@gw/client/unix'

export const USAGE = `A gateway for assistants: its calls as tools of the Model Context Protocol, over stdio.

  npx @gw/mcp URL [options]

  --unix PATH         the gateway's UNIX socket in place of a URL
  --sse               server-sent events in place of a WebSocket, where none comes through
  --allow-send        records may be sent and staged; without it everything is left as it is
  --channels NAMES    only these channels, with commas between [all]
  --key-file FILE     the file that holds the key [the key is in the variable GW_API_KEY, an access token in GW_TOKEN]
  --timeout SECONDS   bound of a call [30]
`

const OPTIONS = {
  unix: { type: 'string' },
  sse: { type: 'boolean' },
  'allow-send': { type: 'boolean' },
  channels: { type: 'string' },
  'key-file': { type: 'string' },
  timeout: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} satisfies ParseArgsConfig['options']

/** A command that was called wrongly. */
export class UsageError extends Error {}

/** What the command was asked for. */
export interface Command {
  readonly client: ClientOptions
  readonly allowSend: boolean
  readonly channels: readonly string[] | undefined
}

/**
 * What arguments and environment ask for; `undefined` for help.
 * @throws UsageError
 */
export function commandOf(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): Command | undefined {
  const { values, positionals } = parsed(args)
  if (values.help) return undefined
  const [url = env.GW_URL, extra] = positionals
  if (extra !== undefined) throw new UsageError(`what is ${extra}?`)
  if (url === undefined && values.unix === undefined) {
    throw new UsageError('name the URL of the gateway, such as http://127.0.0.1:8000')
  }
  const keyFile = values['key-file']
  const apiKey = keyFile === undefined ? env.GW_API_KEY : keyIn(keyFile, readFile)
  const way = values.unix === undefined ? { url: url ?? '' } : unix(values.unix)
  return {
    client: {
      ...way,
      ...(values.sse ? sse(way) : {}),
      apiKey,
      token: env.GW_TOKEN,
      timeoutMs: timeoutOf(values.timeout),
    },
    allowSend: values['allow-send'] ?? false,
    channels: values.channels?.split(','),
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function keyIn(path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path).trim()
  } catch (error) {
    throw new UsageError(`the key's file cannot be read: ${(error as Error).message}`)
  }
}

function timeoutOf(text = '30'): number {
  const ms = Number(text) * 1000
  if (ms > 0 && Number.isFinite(ms)) return ms
  throw new UsageError(`--timeout is a number of seconds above 0, not ${text}`)
}
