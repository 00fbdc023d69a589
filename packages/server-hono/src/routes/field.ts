import { API_PATH } from '@gw/protocol'
import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import type { Service } from '../service.js'

/** Serves the static values of the contract. */
export function serveField(app: Hono<GatewayEnv>, service: Service): void {
  serveEndpoint<unknown>(app, service, {
    path: `${API_PATH}/field/:name`,
    resolve: (c) => {
      const field = service.served.fields.find(c.req.param('name') ?? '')
      if (field === undefined) throw notFoundError()
      return field.value
    },
    methods: { GET: (c, value) => respond(c, { body: JSON.stringify(value) }) },
  })
}
