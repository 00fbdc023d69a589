import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose'
import { allowInsecureRequests, type Configuration, discovery, None } from 'openid-client'
import { isLoopback, type OidcSettings } from './options.js'

/** What the provider says of itself is asked anew after this time. */
const MAX_AGE_MS = 3_600_000
/** After a failure the provider is left alone for this time. */
const RETRY_MS = 1_000
/** A token of an unknown key has the keys fetched again, at most this often. */
const KEYS_COOLDOWN_MS = 1_000

/** What is known of a provider. */
export interface KnownProvider {
  readonly configuration: Configuration
  /** Finds the key of a token, fetching the keys when they are old or the key is new. */
  readonly keys: JWTVerifyGetKey
}

/** The provider is down, or does not say of itself what a provider says. */
export class ProviderUnavailable extends Error {}

/** The provider: found by its issuer's URL when it is first needed, and again when it was down. */
export class Provider {
  readonly #settings: OidcSettings
  #known: KnownProvider | undefined
  #knownAtMs = 0
  #pending: Promise<KnownProvider> | undefined
  #failure: { readonly error: ProviderUnavailable; readonly atMs: number } | undefined

  constructor(settings: OidcSettings) {
    this.#settings = settings
  }

  /** What is known, when that is recent. */
  get known(): KnownProvider | undefined {
    return Date.now() - this.#knownAtMs < MAX_AGE_MS ? this.#known : undefined
  }

  /** @throws ProviderUnavailable */
  async find(): Promise<KnownProvider> {
    const { known } = this
    if (known !== undefined) return known
    if (this.#failure !== undefined && Date.now() - this.#failure.atMs < RETRY_MS) {
      if (this.#known !== undefined) return this.#known
      throw this.#failure.error
    }
    this.#pending ??= this.#discover().finally(() => {
      this.#pending = undefined
    })
    return this.#pending
  }

  async #discover(): Promise<KnownProvider> {
    const { issuer, login, timeoutMs } = this.#settings
    try {
      const configuration = await discovery(
        issuer,
        login?.clientId ?? 'tokens-only',
        login?.clientSecret,
        login?.clientSecret === undefined ? None() : undefined,
        {
          timeout: timeoutMs / 1_000,
          execute: isLoopback(issuer) ? [allowInsecureRequests] : [],
        },
      )
      const { jwks_uri: uri } = configuration.serverMetadata()
      if (uri === undefined) throw new Error('the provider names no jwks_uri')
      requireSafe(new URL(uri), issuer)
      // The keys outlive a new description, so that a provider that is down for a moment costs nothing.
      const keys =
        this.#known?.configuration.serverMetadata().jwks_uri === uri
          ? this.#known.keys
          : patientKeys(new URL(uri), timeoutMs)
      this.#known = { configuration, keys }
      this.#knownAtMs = Date.now()
      this.#failure = undefined
      return this.#known
    } catch (cause) {
      const error = new ProviderUnavailable(`the provider ${issuer.href} cannot be asked`, {
        cause,
      })
      this.#failure = { error, atMs: Date.now() }
      if (this.#known !== undefined) return this.#known
      throw error
    }
  }
}

/** The keys at a URL. One that came into use since they were fetched a moment ago is waited for, as long as they may not be fetched again. */
function patientKeys(url: URL, timeoutMs: number): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: timeoutMs,
    cooldownDuration: KEYS_COOLDOWN_MS,
  })
  let cooling: Promise<void> | undefined
  return async (header, token) => {
    const wasCooling = keys.coolingDown
    try {
      return await keys(header, token)
    } catch (error) {
      if (!wasCooling || !(error instanceof errors.JWKSNoMatchingKey)) throw error
    }
    cooling ??= new Promise((resolve) => {
      setTimeout(() => {
        cooling = undefined
        resolve()
      }, KEYS_COOLDOWN_MS)
    })
    await cooling
    return keys(header, token)
  }
}

/** Keys that come over plain http are anybody's; only a provider on this machine may have them so. */
function requireSafe(keys: URL, issuer: URL): void {
  if (keys.protocol === 'https:' || (isLoopback(issuer) && isLoopback(keys))) return
  throw new Error('the provider has its keys over plain http')
}
