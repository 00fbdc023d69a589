import { createHash } from 'node:crypto'
import type { Identity } from '@gw/protocol'
import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose'
import { identityOf } from './claims.js'
import type { OidcSettings } from './options.js'
import { type Provider, ProviderUnavailable } from './provider.js'

/** Signatures by a key that only the provider has; those by a shared secret, and none at all, are not among them. */
export const ALGORITHMS: string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

/** How long a token that was good is taken to be so: a key that the provider has withdrawn lives on for it. */
const REMEMBERED_MS = 30_000
const MAX_REMEMBERED = 10_000

/** A token that is not good; the message says why, for the log. */
export class TokenRefused extends Error {}

interface Remembered {
  readonly identity: Identity
  readonly untilMs: number
}

/** Checks access tokens: signature, issuer, audience and times. A good one is remembered for a moment, by its hash. */
export class BearerTokens {
  readonly #settings: OidcSettings
  readonly #provider: Provider
  readonly #remembered = new Map<string, Remembered>()
  /** Names of identities, by the subject that the provider knows; of their sockets nothing else is known later. */
  readonly #names = new Map<string, string>()

  constructor(settings: OidcSettings, provider: Provider) {
    this.#settings = settings
    this.#provider = provider
  }

  /** Who the token of a hash stands for, when it was good a moment ago. */
  remembered(hash: string): Identity | undefined {
    const known = this.#remembered.get(hash)
    return known !== undefined && known.untilMs > Date.now() ? known.identity : undefined
  }

  /** Who a token stands for. @throws TokenRefused, ProviderUnavailable */
  async verify(token: string): Promise<Identity> {
    const { keys, configuration } = await this.#provider.find()
    const { audience, clockToleranceSeconds } = this.#settings
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        algorithms: ALGORITHMS,
        issuer: configuration.serverMetadata().issuer,
        audience,
        clockTolerance: clockToleranceSeconds,
        requiredClaims: ['sub', 'exp', 'iat'],
      })
      requireAccessToken(payload, protectedHeader)
      this.#checkClock(payload)
      return this.#remember(hashToken(token), payload)
    } catch (error) {
      throw outcomeOf(error)
    }
  }

  /** The name of the identity that a subject last came as. */
  nameOf(subject: string): string | undefined {
    return this.#names.get(subject)
  }

  /** Forgets the tokens of an identity. */
  forget(isMeant: (identity: Identity) => boolean): void {
    for (const [name, { identity }] of this.#remembered) {
      if (isMeant(identity)) this.#remembered.delete(name)
    }
  }

  /** A token from the future is no more to be trusted than one from the past. */
  #checkClock({ iat = 0 }: JWTPayload): void {
    if (iat > Date.now() / 1_000 + this.#settings.clockToleranceSeconds) {
      throw new TokenRefused('"iat" is in the future: the clocks differ')
    }
  }

  #remember(hash: string, payload: JWTPayload): Identity {
    const expiresAtMs = (payload.exp as number) * 1_000
    const credential = payload.sid ?? payload.jti
    const identity = identityOf(payload, this.#settings, {
      ...(typeof credential === 'string' ? { credential } : {}),
      // Within the tolerance a token is good a little longer, and its sockets are not closed before.
      expiresAtMs: expiresAtMs + this.#settings.clockToleranceSeconds * 1_000,
    })
    const untilMs = Math.min(Date.now() + REMEMBERED_MS, identity.expiresAtMs as number)
    this.#remembered.set(hash, { identity, untilMs })
    if (this.#remembered.size > MAX_REMEMBERED) {
      this.#remembered.delete(this.#remembered.keys().next().value as string)
    }
    this.#names.delete(payload.sub as string)
    this.#names.set(payload.sub as string, identity.name)
    if (this.#names.size > MAX_REMEMBERED) {
      this.#names.delete(this.#names.keys().next().value as string)
    }
    return identity
  }
}

const ACCESS_TOKEN_TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt'])

/**
 * A provider signs more than access tokens, and where the audience is the id of a client those are for it, too: logout tokens,
 * which say so in their header or by `events`, and ID tokens, which alone hold `at_hash`.
 */
function requireAccessToken(
  { events, at_hash: idTokenHash }: JWTPayload,
  { typ }: JWTHeaderParameters,
): void {
  const type = typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt'
  if (ACCESS_TOKEN_TYPES.has(type) && events === undefined && idTokenHash === undefined) return
  throw new TokenRefused('the token is no access token')
}

/** A token as it stands in the header `Authorization`; `undefined` for what has not the form of a JWT, so is another's. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +([\w-]+\.[\w-]*\.[\w-]*) *$/i.exec(header ?? '')?.[1]
}

/** What an error of `jose` means: that the token is not good, or that the keys could not be had. */
export function outcomeOf(error: unknown): Error {
  if (error instanceof TokenRefused || error instanceof ProviderUnavailable) return error
  const isToken =
    error instanceof errors.JOSEError &&
    error.code !== 'ERR_JOSE_GENERIC' &&
    !(error instanceof errors.JWKSTimeout) &&
    !(error instanceof errors.JWKSInvalid)
  return isToken
    ? new TokenRefused(error.message, { cause: error })
    : new ProviderUnavailable('the keys of the provider cannot be had', { cause: error })
}

/** Tokens are not kept, only what tells them apart. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
