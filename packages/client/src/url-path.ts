import { pathOf as plainPathOf, type RouteGroup } from '@gw/protocol'
import { GatewayClientError } from './errors.js'

/** Path of a name, and of a key or id below it. @throws GatewayClientError `BAD_REQUEST` for what no URL can carry. */
export function pathOf(group: RouteGroup, name?: string, key?: string): string {
  // URLs take . and .. for folders, nothing for the folder itself, and have no half of a character.
  if (key !== undefined && /^$|(^|\/)\.\.?(\/|$)|\p{Cs}/u.test(key)) {
    throw new GatewayClientError('BAD_REQUEST', `no URL has ${group}/${name}/${key}`)
  }
  return plainPathOf(group, name, key)
}
