import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { respond, serveEndpoint } from '../http/endpoint.js'
import { asyncApiDocument } from '../openapi/async-document.js'
import { openApiDocument } from '../openapi/document.js'
import type { Service } from '../service.js'

/** Serves the descriptions of the API: of its routes, which the reference's clients read, and of the stream. */
export function serveDescription(app: Hono<GatewayEnv>, service: Service): void {
  const documents = {
    '/openapi.json': () => openApiDocument(service),
    '/asyncapi.json': () => asyncApiDocument(service),
  }
  for (const [path, document] of Object.entries(documents)) {
    let text: string | undefined
    serveEndpoint<void>(app, service, {
      path,
      resolve: () => undefined,
      methods: {
        GET: (c) => {
          text ??= JSON.stringify(document())
          return respond(c, { body: text })
        },
      },
    })
  }
}
