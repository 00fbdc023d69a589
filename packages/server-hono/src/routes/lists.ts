import type { ChannelInfo } from '@gw/channels'
import { API_PATH, type Identity, PROTOCOL_VERSION } from '@gw/protocol'
import type { Hono } from 'hono'
import type { GatewayEnv } from '../http/context.js'
import { respond, serveEndpoint } from '../http/endpoint.js'
import { edgeNames } from '../names.js'
import type { Service } from '../service.js'

type NamesFor = (identity: Identity) => readonly string[]

/** Serves the names below each group, and the versions of the API. A list without its slash redirects to it. */
export function serveLists(app: Hono<GatewayEnv>, service: Service): void {
  const { access, served, controls } = service
  /** Keys of a basket that come and go are known by their rows: only those are shown whose rows are. */
  const keysFor = (identity: Identity) => (info: ChannelInfo) =>
    info.dynamic && access.rowsOf(identity) !== undefined
      ? access
          .channelsFor(identity)
          .lastTicks(info.name)
          .flatMap(({ key }) => key ?? [])
      : served.keysOf(info)
  const lists: { readonly [group: string]: NamesFor } = {
    last: () => served.channels.sorted,
    next: () => served.channels.sorted,
    lookup: () => served.channels.sorted,
    send: (identity) =>
      edgeNames(
        served.channels.items.filter((info) => info.sendable),
        keysFor(identity),
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
  serveNames(app, service, `${API_PATH}/stream`, (identity) =>
    [...edgeNames(served.channels.items, keysFor(identity), false), 'heartbeat'].sort(),
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

function serveNames(app: Hono<GatewayEnv>, service: Service, path: string, names: NamesFor): void {
  serveEndpoint<void>(app, service, {
    path,
    resolve: () => undefined,
    methods: { GET: (c, _, identity) => respond(c, { body: JSON.stringify(names(identity)) }) },
  })
}
