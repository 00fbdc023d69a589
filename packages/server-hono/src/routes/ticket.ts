import { pathOf } from '@gw/protocol'
import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { serveEndpoint } from '../http/endpoint.js'
import type { Service } from '../service.js'

/** Serves the tickets with which pages open the stream. */
export function serveTicket(app: Hono<GatewayEnv>, service: Service): void {
  serveEndpoint<void>(app, service, {
    path: pathOf('auth', 'ticket'),
    resolve: () => undefined,
    methods: {
      POST: (c, _, identity) =>
        c.json(service.tickets.issue(identity), 200, { 'Cache-Control': 'no-store' }),
    },
  })
}
