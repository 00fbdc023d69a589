import { type AuthPage, type FailedAttempts, pathOf } from '@gw/protocol'
import { jwtVerify } from 'jose'
import { ALGORITHMS, outcomeOf, TokenRefused } from './bearer.js'
import { tooMany } from './login.js'
import type { OidcSettings } from './options.js'
import { type Provider, ProviderUnavailable } from './provider.js'

/** Where the provider tells of people that have logged out: it may be registered there. */
const BACK_CHANNEL_PATH: string = pathOf('auth', 'oidc', 'backchannel-logout')

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const MAX_BYTES = 16 * 1_024

/** Whom a logout concerns: all sessions of a subject, or one. */
export interface Logout {
  readonly subject: string | undefined
  readonly sid: string | undefined
}

/** OpenID Connect Back-Channel Logout 1.0: the provider posts a signed token when somebody has logged out there. */
export function backChannelPage(
  settings: OidcSettings,
  provider: Provider,
  clientId: string,
  attempts: FailedAttempts,
  onLogout: (logout: Logout) => void,
): AuthPage {
  return {
    method: 'POST',
    path: BACK_CHANNEL_PATH,
    async handle(request, address) {
      const waitMs = attempts.waitMs({ address }, Date.now())
      if (waitMs > 0) return tooMany(waitMs)
      try {
        const text = await request.text()
        const token = text.length > MAX_BYTES ? null : new URLSearchParams(text).get('logout_token')
        onLogout(await verified(settings, provider, clientId, token ?? ''))
        return answer(200)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        settings.onFailure({ address, path: BACK_CHANNEL_PATH, reason })
        if (error instanceof ProviderUnavailable) return answer(503)
        attempts.count({ address }, Date.now())
        return answer(400)
      }
    },
  }
}

async function verified(
  { clockToleranceSeconds }: OidcSettings,
  provider: Provider,
  audience: string,
  token: string,
): Promise<Logout> {
  const { keys, configuration } = await provider.find()
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer: configuration.serverMetadata().issuer,
      audience,
      clockTolerance: clockToleranceSeconds,
      maxTokenAge: 120,
      requiredClaims: ['iat', 'jti', 'events'],
    })
    const { events, nonce, sub: subject, sid } = payload
    const isLogout = typeof events === 'object' && events !== null && EVENT in events
    if (!isLogout || nonce !== undefined) throw new TokenRefused('the token is no logout token')
    if (subject === undefined && typeof sid !== 'string') {
      throw new TokenRefused('the logout token names nobody')
    }
    return { subject, sid: typeof sid === 'string' ? sid : undefined }
  } catch (error) {
    throw outcomeOf(error)
  }
}

function answer(status: number): Response {
  return new Response(null, { status, headers: { 'Cache-Control': 'no-store' } })
}
