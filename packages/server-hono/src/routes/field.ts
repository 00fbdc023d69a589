import { API_PATH } from '@gw/protocol'
import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import { requireScope } from '../http/identity.js'
import type { Service } from '../service.js'

/** Serves the static values of the contract. */
export function serveField(app: Hono<GatewayEnv>, service: Service): void {
  serveEndpoint<{ readonly name: string; readonly value: unknown }>(app, service, {
    path: `${API_PATH}/field/:name`,
    resolve: (c) => {
      const field = service.served.fields.find(c.req.param('name') ?? '')
      if (field === undefined) throw notFoundError()
      return field
    },
    methods: {
      GET: (c, { name, value }, identity) => {
        requireScope(identity, 'read', name)
        return respond(c, { body: JSON.stringify(value) })
      },
    },
  })
}
