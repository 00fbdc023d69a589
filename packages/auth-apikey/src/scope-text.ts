import { parseScope, type Scope } from '@gw/protocol'
import { ApiKeyError } from './errors.js'

/** The scope that a text spells. @throws ApiKeyError `INVALID_SCOPE` */
export function scopeOf(text: string): Scope {
  const scope = parseScope(text)
  if (scope !== undefined) return scope
  throw new ApiKeyError(
    'INVALID_SCOPE',
    `"${text}" is no scope: write OPERATIONS[:CHANNELS[:KEYS]], such as read,send:orders*, with the operations read, send, stage and control`,
  )
}
