import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { respond, serveEndpoint } from '../http/endpoint.js'
import { openApiDocument } from '../openapi/document.js'
import type { Service } from '../service.js'

/** Serves the description of the API; the reference's clients read it from `/openapi.json`. */
export function serveDescription(app: Hono<GatewayEnv>, service: Service): void {
  let text: string | undefined
  serveEndpoint<void>(app, service, {
    path: '/openapi.json',
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        text ??= JSON.stringify(openApiDocument(service))
        return respond(c, { body: text })
      },
    },
  })
}
