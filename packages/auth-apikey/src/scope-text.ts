import type { Operation, Scope } from '@gw/protocol'
import { ApiKeyError } from './errors.js'
import { isScope } from './stored-keys.js'

/**
 * The scope that a text spells: operations, channels and keys, each a list with commas, with colons between:
 * `read`, `read,send:orders`, `read:prices:AAPL,MS*`.
 * @throws ApiKeyError `INVALID_SCOPE`
 */
export function parseScope(text: string): Scope {
  const [operations = '', channels, keys, ...rest] = text.split(':')
  const scope: Scope = {
    operations: operations.split(',') as Operation[],
    ...(channels === undefined ? {} : { channels: channels.split(',') }),
    ...(keys === undefined ? {} : { keys: keys.split(',') }),
  }
  if (rest.length === 0 && isScope(scope)) return scope
  throw new ApiKeyError(
    'INVALID_SCOPE',
    `"${text}" is no scope: write OPERATIONS[:CHANNELS[:KEYS]], such as read,send:orders*, with the operations read, send, stage and control`,
  )
}

/** The text that spells a scope. */
export function formatScope({ operations, channels, keys }: Scope): string {
  const parts: (readonly string[])[] = [operations]
  if (channels !== undefined || keys !== undefined) parts.push(channels ?? ['*'])
  if (keys !== undefined) parts.push(keys)
  return parts.map((names) => names.join(',')).join(':')
}
