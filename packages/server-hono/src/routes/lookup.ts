import type { ChannelInfo } from '@gw/channels'
import { API_PATH } from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import type { GatewayContext, GatewayEnv } from '../http/context.js'
import { notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import { requireScope } from '../http/identity.js'
import type { Service } from '../service.js'

/** Serves recent records by id: of a channel's type, or of any type. */
export function serveLookup(app: Hono<GatewayEnv>, service: Service): void {
  const { access, served } = service
  const idOf = (c: GatewayContext): string => c.req.param('id') as string

  serveEndpoint<string>(app, service, {
    path: `${API_PATH}/lookup/id/:id{[^]+}`,
    resolve: idOf,
    methods: {
      GET: async (c, id, identity) => {
        requireScope(identity, 'read')
        const record = await access.channelsFor(identity).lookup(id)
        if (record === undefined) {
          throw new WebServerError('UNKNOWN_ID', `No GatewayStruct found with id: ${id}`)
        }
        return respond(c, { body: JSON.stringify([record]), kind: 'single' })
      },
    },
  })

  serveEndpoint<{ readonly info: ChannelInfo; readonly id: string }>(app, service, {
    path: `${API_PATH}/lookup/:name/:id{[^]+}`,
    resolve: (c) => {
      const info = served.channels.find(c.req.param('name') ?? '')
      if (info === undefined) throw notFoundError()
      return { info, id: idOf(c) }
    },
    methods: {
      GET: async (c, { info, id }, identity) => {
        requireScope(identity, 'read', info.name)
        const record = await access.channelsFor(identity).lookup(id, info.name)
        return respond(c, {
          body: JSON.stringify(record === undefined ? [] : [record]),
          kind: 'single',
        })
      },
    },
  })
}
