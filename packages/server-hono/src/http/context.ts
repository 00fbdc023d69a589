import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '@gw/protocol'
import type { Context } from 'hono'
import type { Settings } from '../options.js'
import { checkCoding, incomingBody, tooLarge, within } from './body.js'
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
 * @throws WebServerError `BODY_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `INVALID_JSON`, or `INVALID_RECORD` for a body that does not say that it is JSON.
 */
export async function jsonBody(
  c: GatewayContext,
  limits: JsonLimits & { readonly maxBodyBytes: number },
): Promise<unknown> {
  const bytes = await collectBody(c, limits.maxBodyBytes)
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

/**
 * Collects what a request sends, up to the bound.
 * @throws WebServerError `BODY_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `REQUEST_TIMEOUT`.
 */
export async function collectBody(c: GatewayContext, maxBytes: number): Promise<Uint8Array> {
  const incoming = c.env?.incoming
  const isRead = incoming?.readableDidRead ?? c.req.raw.bodyUsed
  // What middleware has read, Hono gives again.
  if (isRead) return within(new Uint8Array(await c.req.arrayBuffer()), maxBytes)
  if (incoming !== undefined) return incomingBody(incoming, maxBytes)
  checkCoding(c.req.header('content-encoding'))
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of chunksOf(c.req.raw.body)) {
    length += part.length
    if (length > maxBytes) throw tooLarge(maxBytes)
    parts.push(part)
  }
  return Buffer.concat(parts)
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
