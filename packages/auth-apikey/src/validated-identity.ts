import { type Identity, isScope } from '@gw/protocol'

/**
 * The identity that a validator answered; `undefined` for nobody. Every member is checked: one that is misspelt, or no text,
 * could give more than was meant.
 * @throws Error when the answer is neither.
 */
export function validatedIdentity(answer: unknown): Identity | undefined {
  if (answer === undefined || answer === null) return undefined
  // A copy, since each answer is known by itself, and may be kept.
  if (isIdentity(answer)) return { ...answer }
  throw new Error('the validator of keys answered what is no identity: {"name": "..."} is one')
}

function isIdentity(answer: unknown): answer is Identity {
  if (typeof answer !== 'object' || answer === null) return false
  const { name, credential, scopes, expiresAtMs, claims, ...rest } = answer as Readonly<
    Record<string, unknown>
  >
  return (
    Object.keys(rest).length === 0 &&
    typeof name === 'string' &&
    name !== '' &&
    (credential === undefined || typeof credential === 'string') &&
    (scopes === undefined || (Array.isArray(scopes) && scopes.every(isScope))) &&
    (expiresAtMs === undefined || Number.isFinite(expiresAtMs)) &&
    (claims === undefined || (typeof claims === 'object' && claims !== null))
  )
}
