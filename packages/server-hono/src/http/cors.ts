import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import type { CorsOptions } from '../options.js'

const PREFLIGHT = 'access-control-request-method'

const EXPOSED = [
  'ETag',
  'X-Gateway-Kind',
  'X-Gateway-Position',
  'X-Gateway-State-By',
  'X-Gateway-State-Keep',
  'X-Gateway-State-Max-Records',
  'X-Gateway-State-Key',
  'X-Gateway-State-Through',
  'Retry-After',
]

/** Lets pages of other origins read answers. */
export function corsOf({ origins }: CorsOptions): MiddlewareHandler {
  const answer = cors({
    origin: origins === '*' ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: [
      'Content-Type',
      'X-API-Key',
      'Authorization',
      'token',
      'If-None-Match',
      'Idempotency-Key',
      'Last-Event-ID',
    ],
    exposeHeaders: EXPOSED,
    credentials: origins !== '*',
    maxAge: 600,
  })
  return (c, next) => {
    // OPTIONS by itself asks what a path takes; only with this header a browser asks whether a page may.
    const isQuestion = c.req.method === 'OPTIONS' && c.req.header(PREFLIGHT) === undefined
    return isQuestion ? next() : answer(c, next)
  }
}

/** What {@link corsOf} adds to answers to a request that names no origin. */
export function corsHeaders(options: CorsOptions | undefined): Readonly<Record<string, string>> {
  if (options === undefined) return {}
  const exposed = { 'Access-Control-Expose-Headers': EXPOSED.join(',') }
  return options.origins === '*'
    ? { 'Access-Control-Allow-Origin': '*', ...exposed }
    : { 'Access-Control-Allow-Credentials': 'true', ...exposed, Vary: 'Origin' }
}
