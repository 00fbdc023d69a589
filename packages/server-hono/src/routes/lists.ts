import { API_PATH, PROTOCOL_VERSION } from '@gw/protocol'
import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { respond, serveEndpoint } from '../http/endpoint.js'
import { edgeNames } from '../names.js'
import type { Service } from '../service.js'

/** Serves the names below each group, and the versions of the API. A list without its slash redirects to it. */
export function serveLists(app: Hono<GatewayEnv>, service: Service): void {
  const { served, controls } = service
  const lists: { readonly [group: string]: () => readonly string[] } = {
    last: () => served.channels.sorted,
    next: () => served.channels.sorted,
    lookup: () => served.channels.sorted,
    send: () =>
      edgeNames(
        served.channels.items.filter((info) => info.sendable),
        served.keysOf,
        true,
      ),
    state: () => served.states.sorted,
    stage: () => served.staged.sorted,
    controls: () => controls?.names ?? [],
    field: () => served.fields.sorted,
  }
  for (const [group, names] of Object.entries(lists)) {
    const path = `${API_PATH}/${group}`
    if (group === 'field') serveNames(app, service, path, names)
    serveNames(app, service, `${path}/`, names)
  }
  serveNames(app, service, `${API_PATH}/stream`, () =>
    [...edgeNames(served.channels.items, served.keysOf, false), 'heartbeat'].sort(),
  )
  serveEndpoint<void>(app, service, {
    path: '/api',
    resolve: () => undefined,
    methods: {
      GET: (c) =>
        respond(c, {
          body: JSON.stringify({
            default: 'v1',
            versions: [{ version: 'v1', path: API_PATH }],
            protocol: PROTOCOL_VERSION,
          }),
        }),
    },
  })
}

function serveNames(
  app: Hono<GatewayEnv>,
  service: Service,
  path: string,
  names: () => readonly string[],
): void {
  serveEndpoint<void>(app, service, {
    path,
    resolve: () => undefined,
    methods: { GET: (c) => respond(c, { body: JSON.stringify(names()) }) },
  })
}
