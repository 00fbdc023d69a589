import type { Operation, Scope } from './auth.js'

const OPERATIONS: ReadonlySet<unknown> = new Set<Operation>(['read', 'send', 'stage', 'control'])

/** Whether a value is a scope, with nothing else in it. */
export function isScope(value: unknown): value is Scope {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const { operations, channels, keys, ...rest } = value as Readonly<Record<string, unknown>>
  return (
    Object.keys(rest).length === 0 &&
    Array.isArray(operations) &&
    operations.length > 0 &&
    operations.every((operation) => OPERATIONS.has(operation)) &&
    [channels, keys].every((patterns) => patterns === undefined || isTexts(patterns))
  )
}

/**
 * The scope that a text spells: operations, channels and keys, each a list with commas, with colons between;
 * `undefined` when it spells none.
 * @example `parseScope('read,send:orders*')`, `parseScope('read:prices:AAPL,MS*')`
 */
export function parseScope(text: string): Scope | undefined {
  const [operations = '', channels, keys, ...rest] = text.split(':')
  const scope = {
    operations: operations.split(','),
    ...(channels === undefined ? {} : { channels: channels.split(',') }),
    ...(keys === undefined ? {} : { keys: keys.split(',') }),
  }
  return rest.length === 0 && isScope(scope) ? scope : undefined
}

/** The text that spells a scope. */
export function formatScope({ operations, channels, keys }: Scope): string {
  const parts: (readonly string[])[] = [operations]
  if (channels !== undefined || keys !== undefined) parts.push(channels ?? ['*'])
  if (keys !== undefined) parts.push(keys)
  return parts.map((names) => names.join(',')).join(':')
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}
