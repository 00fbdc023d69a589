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
  const { access, channels, served, controls } = service
  const { hear } = channels
  const changing = served.channels.items.filter(({ dynamic, provided }) => dynamic && provided)
  /** Keys that come and go may be at other gateways. */
  const heard =
    hear === undefined ? undefined : () => Promise.all(changing.map(({ name }) => hear(name)))
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
    serveNames(app, service, `${path}/`, names, group === 'send' ? heard : undefined)
  }
  const streamed: NamesFor = (identity) =>
    [...edgeNames(served.channels.items, keysFor(identity), false), 'heartbeat'].sort()
  serveNames(app, service, `${API_PATH}/stream`, streamed, heard)
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
  names: NamesFor,
  before?: () => Promise<unknown>,
): void {
  serveEndpoint<void>(app, service, {
    path,
    resolve: () => undefined,
    methods: {
      GET: async (c, _, identity) => {
        await before?.()
        return respond(c, { body: JSON.stringify(names(identity)) })
      },
    },
  })
}
