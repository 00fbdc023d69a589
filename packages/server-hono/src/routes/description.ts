import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { respond, serveEndpoint } from '../http/endpoint.js'
import { asyncApiDocument } from '../openapi/async-document.js'
import { openApiDocument } from '../openapi/document.js'
import type { Service } from '../service.js'

/** What the reference's client says that it is. */
const REFERENCE_CLIENT = /^python-httpx2\//

/** Serves the descriptions of the API: of its routes, which the reference's clients read, and of the stream. */
export function serveDescription(app: Hono<GatewayEnv>, service: Service): void {
  serve(app, service, '/openapi.json', (isReferenceClient) =>
    openApiDocument(service, { isReferenceClient }),
  )
  serve(app, service, '/asyncapi.json', () => asyncApiDocument(service))
}

function serve(
  app: Hono<GatewayEnv>,
  service: Service,
  path: string,
  document: (isReferenceClient: boolean) => object,
): void {
  const texts = new Map<boolean, string>()
  serveEndpoint<void>(app, service, {
    path,
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        const isReferenceClient = REFERENCE_CLIENT.test(c.req.header('user-agent') ?? '')
        const text = texts.get(isReferenceClient) ?? JSON.stringify(document(isReferenceClient))
        texts.set(isReferenceClient, text)
        return respond(c, { body: text })
      },
    },
  })
}
