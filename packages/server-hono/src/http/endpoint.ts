import type { Identity } from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import type { Service } from '../service.js'
import type { Answer } from './answers.js'
import { compressed, compressedHeaders, MIN_COMPRESSED_BYTES } from './compression.js'
import { credentialsOf, type GatewayContext, type GatewayEnv } from './context.js'
import { admitted, authenticate } from './identity.js'
import { answerHeaders, isUnchanged } from './respond.js'

/** Handles one method of a path: `target` is what the path names. */
export type Handler<T> = (
  c: GatewayContext,
  target: T,
  identity: Identity,
) => Response | Promise<Response>

/** A path, what it names, and the methods that it takes. */
export interface Endpoint<T> {
  readonly path: string
  /** What the path names. @throws WebServerError `NOT_FOUND` when nothing of that name is served. */
  resolve(c: GatewayContext): T
  readonly methods: { readonly [method: string]: Handler<T> }
  /** Whether everybody may ask. @defaultValue false */
  readonly isPublic?: boolean
}

/**
 * Serves a path. In this order, which is the reference's: what is not there is 404, a method that it does not take
 * 405, who may not come in 403. HEAD is answered where GET is, OPTIONS everywhere.
 */
export function serveEndpoint<T>(
  app: Hono<GatewayEnv>,
  service: Service,
  endpoint: Endpoint<T>,
): void {
  const { methods } = endpoint
  const allow = [
    ...Object.keys(methods).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])),
    'OPTIONS',
  ].join(', ')
  app.all(endpoint.path, (c): Response | Promise<Response> => {
    const target = endpoint.resolve(c)
    const { method } = c.req
    if (method === 'OPTIONS') return c.body(null, 204, { Allow: allow })
    const handler = methods[method === 'HEAD' ? 'GET' : method]
    if (handler === undefined) {
      throw new WebServerError('METHOD_NOT_ALLOWED', 'Method Not Allowed', {
        headers: { Allow: allow },
      })
    }
    if (endpoint.isPublic === true) return handler(c, target, { name: 'anonymous' })
    const result = authenticate(service.settings, credentialsOf(c, service.settings))
    if (!(result instanceof Promise)) return enter(service, c, handler, target, admitted(result))
    return result.then((outcome) => enter(service, c, handler, target, admitted(outcome)))
  })
}

function enter<T>(
  service: Service,
  c: GatewayContext,
  handler: Handler<T>,
  target: T,
  identity: Identity,
): Response | Promise<Response> {
  service.rates?.take(identity, service.settings.proxies.addressOf(c.env?.incoming))
  c.set('identity', identity)
  return handler(c, target, identity)
}

/** The response of a good answer, compressed where it pays; 304 when the client has it already. */
export function respond(c: GatewayContext, answer: Answer): Response | Promise<Response> {
  const headers = answerHeaders(answer)
  if (isUnchanged(answer, c.req.header('if-none-match'))) {
    // With its type: the adapter would call it text, and caches would believe that.
    return c.body(null, 304, headers)
  }
  if (answer.body.length < MIN_COMPRESSED_BYTES) return c.body(answer.body, 200, headers)
  const body = Buffer.from(answer.body)
  const gzip = compressed(body, c.req.header('accept-encoding'))
  if (gzip === undefined) return c.body(answer.body, 200, headers)
  const respondWith = (bytes: Buffer): Response =>
    c.body(new Uint8Array(bytes), 200, compressedHeaders(headers))
  return gzip instanceof Promise ? gzip.then(respondWith) : respondWith(gzip)
}

/** The refusal of a path under which nothing is served. */
export function notFoundError(): WebServerError {
  return new WebServerError('NOT_FOUND', 'Not Found')
}
