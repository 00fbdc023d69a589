import type { RequestListener } from 'node:http'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Hono } from 'hono'
import { writeThrough } from '../stream/event-stream.js'
import type { GatewayEnv } from './context.js'
import { type Problem, problem } from './problem.js'
import { SECURE_HEADERS } from './respond.js'

/** Brings Node's requests to an app. What has no URL, or that of no host, is refused in our form. */
export function requestListener(app: Hono<GatewayEnv>): RequestListener {
  const fetch: Parameters<typeof getRequestListener>[0] = (request, env) => {
    const { outgoing } = env as GatewayEnv['Bindings']
    const response = app.fetch(request, env)
    if (outgoing === undefined) return response
    if (!(response instanceof Promise)) return writeThrough(response, outgoing)
    return response.then((answer) => writeThrough(answer, outgoing))
  }
  const listener = getRequestListener(fetch, {
    // With its own objects in place of the platform's, the listener answers some HEAD requests with 500.
    overrideGlobalObjects: false,
    // HTTP/1.0 names no host.
    hostname: 'localhost',
    errorHandler: (error) =>
      responseOf(
        error instanceof RequestError
          ? problem('BAD_REQUEST', 'the request has a path or a host that is none')
          : problem('INTERNAL', 'Internal Server Error'),
      ),
  })
  return (request, response) => {
    const { host } = request.headers
    // The adapter knows hosts in small letters only.
    if (host !== undefined && /[A-Z]/.test(host)) request.headers.host = host.toLowerCase()
    void listener(request, response)
  }
}

function responseOf({ status, body }: Problem): Response {
  return Response.json(body, { status, headers: SECURE_HEADERS })
}
