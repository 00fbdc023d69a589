import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '@gw/protocol'
import type { Context } from 'hono'
import { WebServerError } from '../errors.js'
import type { Settings } from '../options.js'
import { RequestCredentials } from './identity.js'
import { type JsonLimits, parseJson } from './json.js'
import { invalid } from './validation.js'

/** What Hono's context holds in a gateway's app. */
export interface GatewayEnv {
  Bindings: {
    /** Node's request and response, when the app is served by Node. */
    readonly incoming?: IncomingMessage
    readonly outgoing?: ServerResponse
  }
  Variables: {
    /** Who asks; set on every route that needs a key. */
    identity: Identity
  }
}

export type GatewayContext = Context<GatewayEnv>

export function credentialsOf(c: GatewayContext, { proxies }: Settings): RequestCredentials {
  const url = c.req.url
  const target = url.slice(url.indexOf('/', url.indexOf('://') + 3))
  return new RequestCredentials(c.req.method, target, proxies.addressOf(c.env?.incoming), (name) =>
    c.req.header(name),
  )
}

/**
 * The JSON body of a request; `undefined` when there is none.
 * @throws WebServerError `BODY_TOO_LARGE`, `INVALID_JSON`, or `INVALID_RECORD` for a body that does not say that it is JSON.
 */
export async function jsonBody(
  c: GatewayContext,
  limits: JsonLimits & { readonly maxBodyBytes: number },
): Promise<unknown> {
  const bytes = await bodyOf(c, limits.maxBodyBytes)
  return bytes.length === 0 ? undefined : jsonOf(bytes, c.req.header('content-type'), limits)
}

/** The JSON of a body; one that does not say that it is JSON is a text, so no record. */
export function jsonOf(
  bytes: Uint8Array,
  contentType: string | undefined,
  limits: JsonLimits,
): unknown {
  if (!isJsonType(contentType)) {
    throw invalid('INVALID_RECORD', [
      {
        type: 'model_attributes_type',
        loc: ['body'],
        msg: 'Input should be a valid dictionary or object to extract fields from: send application/json',
        input: null,
      },
    ])
  }
  return parseJson(bytes, limits)
}

function isJsonType(contentType: string | undefined): boolean {
  if (contentType === undefined) return false
  if (contentType === 'application/json') return true
  return /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType)
}

/** The refusal of a request that needs a body and has none. */
export function missingBody(): WebServerError {
  return invalid('INVALID_RECORD', [
    { type: 'missing', loc: ['body'], msg: 'Field required', input: null },
  ])
}

async function bodyOf(c: GatewayContext, maxBytes: number): Promise<Uint8Array> {
  const declared = Number(c.req.header('content-length') ?? 0)
  if (declared > maxBytes) throw tooLarge(maxBytes)
  return collectBody(c, maxBytes)
}

/**
 * Collects what a request sends, up to the bound.
 * @throws WebServerError `BODY_TOO_LARGE`
 */
export async function collectBody(c: GatewayContext, maxBytes: number): Promise<Uint8Array> {
  // Left early, Node's own iterator would end the connection, and with it the answer that says why.
  const chunks: AsyncIterable<Uint8Array> =
    c.env?.incoming?.iterator({ destroyOnReturn: false }) ?? chunksOf(c.req.raw.body)
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of chunks) {
    length += part.length
    if (length > maxBytes) throw tooLarge(maxBytes)
    parts.push(part)
  }
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
}

export function tooLarge(maxBytes: number): WebServerError {
  return new WebServerError('BODY_TOO_LARGE', `the body is longer than ${maxBytes} bytes`, {
    headers: { Connection: 'close' },
  })
}

async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
