import type { AuthenticationProviderArgs, Authenticator, KafkaConfig } from 'kafkajs'
import { bounded } from './backoff.js'

type Provider = (args: AuthenticationProviderArgs) => Authenticator

/** What we read of a login; the rest is for kafkajs. */
interface Login {
  readonly mechanism: string
  readonly authenticationProvider?: Provider
  readonly oauthBearerProvider?: () => Promise<Token | undefined>
}

interface Token {
  readonly value?: string
  readonly extensions?: Readonly<Record<string, unknown>>
}

/** kafkajs would wait for ever for who gives tokens. */
const LOGIN_MS = 10_000
const SEPARATOR = '\u0001'
/** What is before the bytes of an answer. */
const LENGTH_BYTES = 4

/**
 * A login as kafkajs wants it, asked anew for each connection: kafkajs writes into it, what it was given may be frozen. Who gives
 * tokens has a time for it, and a broker that refuses one is heard, which kafkajs takes for a login.
 */
export function loginOf(sasl: NonNullable<KafkaConfig['sasl']>): NonNullable<KafkaConfig['sasl']> {
  const login = sasl as Login
  const provider =
    login.authenticationProvider ??
    (login.mechanism.toLowerCase() === 'oauthbearer' ? bearerOf(login) : undefined)
  const own: Record<PropertyKey, unknown> =
    provider === undefined ? {} : { authenticationProvider: inTime(provider, login.mechanism) }
  return new Proxy(own, {
    get: (_, name) => (Object.hasOwn(own, name) ? own[name] : Reflect.get(sasl, name)),
  }) as unknown as NonNullable<KafkaConfig['sasl']>
}

function inTime(provider: Provider, mechanism: string): Provider {
  return (args) => {
    const authenticator = provider(args)
    const what = `the login with SASL ${mechanism}`
    return { authenticate: () => bounded(authenticator.authenticate(), LOGIN_MS, what) }
  }
}

/** @see https://datatracker.ietf.org/doc/html/rfc7628 */
function bearerOf(login: Login): Provider {
  return ({ saslAuthenticate }) => ({
    authenticate: async () => {
      const { value, extensions = {} } = (await login.oauthBearerProvider?.()) ?? {}
      if (typeof value !== 'string' || value === '') {
        throw new Error('SASL oauthbearer: let oauthBearerProvider give { value: the token }')
      }
      const message = [
        'n,,',
        `auth=Bearer ${value}`,
        ...Object.entries(extensions).map(([name, text]) => `${name}=${text}`),
        SEPARATOR,
      ].join(SEPARATOR)
      const refusal = await saslAuthenticate({
        request: { encode: () => withLength(message) },
        response: {
          decode: (answer) => answer,
          parse: (answer) => answer.toString('utf8', LENGTH_BYTES),
        },
      })
      if (refusal !== undefined && refusal !== '') {
        throw new Error(`SASL oauthbearer: the broker refused the token: ${refusal}`)
      }
    },
  })
}

function withLength(message: string): Buffer {
  const bytes = Buffer.from(message)
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
