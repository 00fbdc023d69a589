import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import OidcProvider from 'oidc-provider'
import { vi } from 'vitest'

export const AUDIENCE = 'urn:gateway'
export const CLIENT = { id: 'gateway', secret: 'the-secret-of-the-gateway' }

export interface SigningKey {
  readonly jwk: JWK & { readonly kid: string }
  readonly privateKey: CryptoKey
}

/** A key pair of a provider. */
export async function signingKey(kid: string): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }
  return { jwk, privateKey }
}

/** A real provider on loopback, which can be rotated, taken down and brought back. */
export class TestProvider {
  readonly issuer: string
  readonly #server: ReturnType<typeof createServer>
  #handler: (request: IncomingMessage, response: ServerResponse) => void = down
  #provider: OidcProvider | undefined
  #keys: readonly SigningKey[] = []
  #redirectUris: string[] = ['http://127.0.0.1/none']

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** A port of its own, and nobody who answers there yet. */
  static async listen(): Promise<TestProvider> {
    const server = createServer((request, response) => provider.#handler(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const provider = new TestProvider(server)
    return provider
  }

  /** Brings it up, signing with the first of the keys. */
  up(keys: readonly SigningKey[], gatewayUrl?: string, tokenSeconds = 60): void {
    this.#keys = keys
    if (gatewayUrl !== undefined) {
      this.#redirectUris = [`${gatewayUrl}/api/v1/auth/oidc/callback`]
    }
    this.#provider = providerOf(this.issuer, keys, this.#redirectUris, tokenSeconds)
    this.#handler = this.#provider.callback()
  }

  down(): void {
    this.#handler = down
  }

  back(): void {
    if (this.#provider !== undefined) this.#handler = this.#provider.callback()
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** An access token as the provider gives it to a machine. */
  async token(): Promise<string> {
    const { id, secret } = MACHINE
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        resource: AUDIENCE,
        scope: 'gw:read gw:send:total other',
      }),
    })
    const body = (await response.json()) as { access_token?: string }
    if (body.access_token === undefined) throw new Error(JSON.stringify(body))
    return body.access_token
  }

  /** A token that is signed with the provider's key, whatever it says. */
  sign(claims: JWTPayload, key: SigningKey = this.#keys[0] as SigningKey): Promise<string> {
    const nowSeconds = Math.floor(Date.now() / 1_000)
    return new SignJWT({
      iss: this.issuer,
      aud: AUDIENCE,
      sub: 'ann',
      iat: nowSeconds,
      exp: nowSeconds + 300,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: key.jwk.kid, typ: 'at+jwt' })
      .sign(key.privateKey)
  }
}

const MACHINE = { id: 'machine', secret: 'the-secret-of-the-machine' }

function down(request: IncomingMessage): void {
  request.socket.destroy()
}

function providerOf(
  issuer: string,
  keys: readonly SigningKey[],
  redirectUris: string[],
  tokenSeconds: number,
): OidcProvider {
  const quiet = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  try {
    return new OidcProvider(issuer, {
      jwks: { keys: keys.map(({ jwk }) => jwk) as never },
      cookies: { keys: ['a key of the cookies of the provider'] },
      clients: [
        {
          client_id: MACHINE.id,
          client_secret: MACHINE.secret,
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
        {
          client_id: CLIENT.id,
          client_secret: CLIENT.secret,
          redirect_uris: redirectUris,
          token_endpoint_auth_method: 'client_secret_post',
        },
      ],
      scopes: ['openid', 'profile', 'other', 'gw:read', 'gw:send:total'],
      claims: { openid: ['sub'], profile: ['groups', 'name'] },
      pkce: { required: () => true },
      findAccount: (_, id) => ({
        accountId: id,
        claims: () => ({ sub: id, name: `Name of ${id}`, groups: [`${id}-group`, 'all'] }),
      }),
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            audience: AUDIENCE,
            scope: 'gw:read gw:send:total other',
            accessTokenFormat: 'jwt',
            accessTokenTTL: tokenSeconds,
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
      ttl: {
        AccessToken: 60,
        AuthorizationCode: 60,
        ClientCredentials: tokenSeconds,
        Grant: 60,
        IdToken: 60,
        Interaction: 60,
        Session: 60,
      },
    })
  } finally {
    quiet.mockRestore()
  }
}
