import { type ParseArgsConfig, parseArgs } from 'node:util'
import { formatScope } from '@gw/protocol'
import { ApiKeyError } from './errors.js'
import { readStoredKeys } from './file-store.js'
import { createKey, revokeKey } from './key-file.js'
import { isMistypedKey, keyId } from './key-format.js'
import { KeyRing, refusalOf } from './key-ring.js'
import { hashKey } from './key-store.js'
import { scopeOf } from './scope-text.js'

const USAGE = `Keys of a gateway, in a file that the gateway reads again when it changes: apiKey({ store: fileStore(FILE) })

  npx @gw/auth-apikey create --name NAME [--scope SCOPE]... [--expires WHEN] [--not-before WHEN]
  npx @gw/auth-apikey list [--json]
  npx @gw/auth-apikey revoke ID
  npx @gw/auth-apikey verify [KEY]          the key may also come on standard input

  --file FILE   the file [the variable GW_KEYS_FILE, or keys.json]
  SCOPE         OPERATIONS[:CHANNELS[:KEYS]], such as read, read,send:orders*, read:prices:AAPL,MSFT;
                the operations are read, send, stage and control; without a scope a key may do everything
  WHEN          a time such as 2027-01-31 or 2027-01-31T12:00:00Z, or a span from now: 90d, 12h, 30m

Ends with 0, with 1 when a key is refused or something is wrong, with 2 when it was called wrongly.
`

const OPTIONS = {
  file: { type: 'string' },
  name: { type: 'string' },
  scope: { type: 'string', multiple: true },
  expires: { type: 'string' },
  'not-before': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} satisfies ParseArgsConfig['options']

class UsageError extends Error {}

/** What a command reads and writes. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** All of standard input. */
  stdin(): string
  stdout(text: string): void
  stderr(text: string): void
}

/** Runs the command. @returns its exit code */
export function runCommand(args: readonly string[], terminal: Terminal): number {
  try {
    const { values, positionals } = parsed(args)
    const [command, ...operands] = positionals
    if (values.help) {
      terminal.stdout(USAGE)
      return 0
    }
    const file = values.file ?? terminal.env.GW_KEYS_FILE ?? 'keys.json'
    switch (command) {
      case 'create':
        none(operands)
        return create(terminal, file, values)
      case 'list':
        none(operands)
        return list(terminal, file, values.json ?? false)
      case 'revoke':
        return revoke(terminal, file, operands)
      case 'verify':
        return verify(terminal, file, operands)
      default:
        throw new UsageError(command === undefined ? 'name a command' : `no command ${command}`)
    }
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.stderr(`${error.message}; --help tells more\n`)
      return 2
    }
    if (!(error instanceof ApiKeyError)) throw error
    terminal.stderr(`${error.message}\n`)
    return error.code === 'INVALID_SCOPE' ? 2 : 1
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

function create(terminal: Terminal, file: string, values: Values): number {
  const { name, scope, expires, 'not-before': notBefore } = values
  if (name === undefined || name.trim() === '') throw new UsageError('give the key a name: --name')
  const { key, stored } = createKey(file, {
    name,
    ...(scope === undefined ? {} : { scopes: scope.map(scopeOf) }),
    ...(notBefore === undefined ? {} : { notBefore: timeOf(notBefore) }),
    ...(expires === undefined ? {} : { expiresAt: timeOf(expires) }),
  })
  terminal.stderr(`the key ${stored.id} of ${name}; it is shown this once:\n`)
  terminal.stdout(`${key}\n`)
  return 0
}

function list({ stdout }: Terminal, file: string, asJson: boolean): number {
  const nowMs = Date.now()
  const rows = readStoredKeys(file).map((key) => ({
    id: key.id,
    name: key.name,
    state: refusalOf(key, nowMs) ?? 'valid',
    expires: key.expiresAt ?? 'never',
    scopes: key.scopes?.map(formatScope).join(' ') ?? 'everything',
  }))
  const head = { id: 'ID', name: 'NAME', state: 'STATE', expires: 'EXPIRES', scopes: 'SCOPES' }
  stdout(
    asJson
      ? rows.map((row) => `${JSON.stringify(row)}\n`).join('')
      : table([head, ...rows].map((row) => Object.values(row))),
  )
  return 0
}

function revoke({ stdout }: Terminal, file: string, [id, ...rest]: readonly string[]): number {
  if (id === undefined) throw new UsageError('which key? revoke ID')
  none(rest)
  const { name } = revokeKey(file, id)
  stdout(`revoked the key ${id} of ${name}\n`)
  return 0
}

function verify(
  { stdin, stdout }: Terminal,
  file: string,
  [given, ...rest]: readonly string[],
): number {
  none(rest)
  const { isValid, text } = verdictOn((given ?? stdin()).trim(), file)
  stdout(`${text}\n`)
  return isValid ? 0 : 1
}

function verdictOn(
  key: string,
  file: string,
): { readonly isValid: boolean; readonly text: string } {
  if (isMistypedKey(key)) {
    return { isValid: false, text: 'the key is mistyped: its checksum does not fit' }
  }
  const id = keyId(key)
  if (id === undefined) return { isValid: false, text: 'no key of ours: they begin with gw_' }
  const check = new KeyRing(readStoredKeys(file)).check(hashKey(key), id, Date.now())
  if (check.key === undefined) return { isValid: false, text: `the key ${id} is ${check.reason}` }
  const { name, scopes } = check.key
  const abilities = scopes === undefined ? 'everything' : scopes.map(formatScope).join(' ')
  return { isValid: true, text: `the key ${id} of ${name} is valid and may do ${abilities}` }
}

function timeOf(text: string): string {
  const span = /^(\d{1,6})([dhm])$/.exec(text)
  const units: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 }
  const ms =
    span === null ? Date.parse(text) : Date.now() + Number(span[1]) * (units[span[2] ?? ''] ?? 0)
  if (Number.isNaN(ms)) throw new UsageError(`"${text}" is neither a time nor a span such as 90d`)
  return new Date(ms).toISOString()
}

function none(operands: readonly string[]): void {
  if (operands[0] !== undefined) throw new UsageError(`what is ${operands[0]}?`)
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
      .join('  ')
      .trimEnd()
  return rows.map((row) => `${line(row)}\n`).join('')
}
