import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { Hono } from 'hono'
import { html } from 'hono/html'
import { WebServerError } from '../errors.js'
import type { GatewayContext, GatewayEnv } from '../http/context.js'
import { serveEndpoint } from '../http/endpoint.js'
import type { Service } from '../service.js'

const PACKAGE = 'swagger-ui-dist'
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
}

/** The page runs its own scripts only, and asks this server only; Swagger UI writes styles into its elements. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** What the page was opened with, a key in its query, goes with the description too. */
const START = `SwaggerUIBundle({ url: 'openapi.json' + location.search, dom_id: '#docs', deepLinking: true })\n`

/**
 * Serves a page on which people read the description and try it out: Swagger UI, from its package where that is installed,
 * and never from elsewhere.
 */
export function serveDocs(app: Hono<GatewayEnv>, service: Service): void {
  const redirect = (c: GatewayContext): Response =>
    c.body(null, 307, { Location: `/docs${new URL(c.req.url).search}` })
  for (const path of ['/', '/redoc']) {
    serveEndpoint<void>(app, service, {
      path,
      isPublic: true,
      resolve: () => undefined,
      methods: { GET: redirect },
    })
  }
  serveEndpoint<void>(app, service, {
    path: '/docs',
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        fileOf('swagger-ui-bundle.js')
        c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
        return c.html(page(service.settings.title))
      },
    },
  })
  serveEndpoint<void>(app, service, {
    path: '/docs/start.js',
    isPublic: true,
    resolve: () => undefined,
    methods: { GET: (c) => c.body(START, 200, { 'Content-Type': 'text/javascript' }) },
  })
  for (const [name, type] of Object.entries(ASSETS)) {
    let compressed: Buffer | undefined
    serveEndpoint<void>(app, service, {
      path: `/docs/${name}`,
      isPublic: true,
      resolve: () => undefined,
      methods: {
        GET: async (c) => {
          const headers = { 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' }
          const acceptsGzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
          const vary = { ...headers, Vary: 'Accept-Encoding' }
          if (!acceptsGzip) return c.body(new Uint8Array(await readFile(fileOf(name))), 200, vary)
          compressed ??= gzipSync(await readFile(fileOf(name)))
          return c.body(new Uint8Array(compressed), 200, { ...vary, 'Content-Encoding': 'gzip' })
        },
      },
    })
  }
}

/** @throws WebServerError `NOT_FOUND` when the package is not installed. */
function fileOf(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(`${PACKAGE}/${name}`)
  } catch {
    throw new WebServerError('NOT_FOUND', `the page needs Swagger UI: npm install ${PACKAGE}`)
  }
}

function page(title: string): ReturnType<typeof html> {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="icon" href="data:,">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script>
</body>
</html>`
}
