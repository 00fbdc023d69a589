import { type Identity, parseScope, type Scope } from '@gw/protocol'
import type { OidcSettings } from './options.js'

/** What a provider says of somebody. */
export type Claims = Readonly<Record<string, unknown>>

/** The identity that claims make: its scopes are those of its groups, those in its claim `scope`, and everybody's. */
export function identityOf(
  claims: Claims,
  settings: OidcSettings,
  more: Pick<Identity, 'credential' | 'expiresAtMs'>,
): Identity {
  const { nameClaim } = settings
  const name = claims[nameClaim] ?? claims.sub
  return { name: String(name), ...more, scopes: scopesOf(claims, settings), claims }
}

function scopesOf(
  claims: Claims,
  { groups, groupsClaim, scopePrefix, everybody }: OidcSettings,
): readonly Scope[] {
  const ofGroups = textsOf(at(claims, groupsClaim)).flatMap((group) => groups.get(group) ?? [])
  const own = [...textsOf(claims.scope), ...textsOf(claims.scp)]
    .filter((value) => value.startsWith(scopePrefix))
    .flatMap((value) => parseScope(value.slice(scopePrefix.length)) ?? [])
  return [...everybody, ...ofGroups, ...own]
}

function at(value: unknown, path: readonly string[]): unknown {
  let found = value
  for (const step of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined
    found = (found as Claims)[step]
  }
  return found
}

/** Texts in a list, or with spaces between: providers do either. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ').filter((text) => text !== '')
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
}
