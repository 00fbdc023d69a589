import { API_PATH } from '@gw/protocol'
import type { GatewayContext } from './context.js'

const LISTED: ReadonlySet<string> = new Set(
  ['last', 'next', 'lookup', 'send', 'state', 'stage', 'controls'].map(
    (group) => `${API_PATH}/${group}`,
  ),
)

/** Where a path that misses its slash, or has one too many, redirects to, with its query; else undefined. */
export function slashRedirect(c: GatewayContext): string | undefined {
  const { url } = c.req
  const at = url.indexOf('/', url.indexOf('://') + 3)
  const mark = url.indexOf('?', at)
  const path = mark === -1 ? url.slice(at) : url.slice(at, mark)
  const query = mark === -1 ? '' : url.slice(mark)
  if (LISTED.has(path)) return `${path}/${query}`
  // A path of two slashes would be another host's URL in a Location header.
  if (path.length > 1 && path.endsWith('/') && !path.startsWith('//')) {
    return `${path.slice(0, -1)}${query}`
  }
  return undefined
}
