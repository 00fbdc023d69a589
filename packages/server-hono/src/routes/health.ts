import type { Hono } from 'hono'
import type { Registry } from 'prom-client'
import { WebServerError } from '../errors.js'
import type { GatewayEnv } from '../http/context.js'
import { serveEndpoint } from '../http/endpoint.js'
import { requireScope } from '../http/identity.js'
import type { Service } from '../service.js'

/** Serves what orchestrators ask, which have no key: whether the engine runs, and whether work may be sent here. */
export function serveHealth(app: Hono<GatewayEnv>, service: Service): void {
  const { gateway } = service
  const checks = {
    '/healthz': { isGood: () => gateway.health.live, problem: 'the engine does not run' },
    '/readyz': { isGood: () => gateway.health.ready, problem: 'the gateway is not ready' },
  }
  for (const [path, { isGood, problem }] of Object.entries(checks)) {
    serveEndpoint<void>(app, service, {
      path,
      isPublic: true,
      resolve: () => undefined,
      methods: {
        GET: (c) => {
          if (isGood()) return c.json({ status: 'ok' }, 200, { 'Cache-Control': 'no-store' })
          throw new WebServerError('NOT_RUNNING', problem, { headers: { 'Retry-After': '1' } })
        },
      },
    })
  }
}

/** Serves the figures of the server to Prometheus. */
export function serveMetrics(app: Hono<GatewayEnv>, service: Service, metrics: Registry): void {
  const { channels } = service
  serveEndpoint<void>(app, service, {
    path: '/metrics',
    resolve: () => undefined,
    methods: {
      GET: async (c, _, identity) => {
        // The figures are of all channels.
        for (const { name } of channels.info) requireScope(identity, 'read', name)
        return c.body(await metrics.metrics(), 200, {
          'Content-Type': metrics.contentType,
          'Cache-Control': 'no-store',
        })
      },
    },
  })
}
