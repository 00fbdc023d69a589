import type { ChannelInfo, StateInfo } from '@gw/channels'
import { API_PATH, formatPosition, type Query, STATE_HEADER } from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import type { GatewayContext, GatewayEnv } from '../http/context.js'
import { notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import { requireScope } from '../http/identity.js'
import { queryOfParameters } from '../http/query-parameters.js'
import type { Service } from '../service.js'

/** Serves the states: the records that match a query, or with `count=1` their number. */
export function serveState(app: Hono<GatewayEnv>, service: Service): void {
  const { access, served } = service
  serveEndpoint<{ readonly state: StateInfo; readonly channel: ChannelInfo }>(app, service, {
    path: `${API_PATH}/state/:name`,
    resolve: (c) => {
      const state = served.states.find(c.req.param('name') ?? '')
      const channel = state && served.channels.find(state.channel)
      if (state === undefined || channel === undefined) throw notFoundError()
      return { state, channel }
    },
    methods: {
      GET: async (c, { state, channel }, identity) => {
        requireScope(identity, 'read', channel.name)
        const parameters = new URL(c.req.url).searchParams
        const query = queryOfParameters(parameters, channel.recordSchema)
        const channels = access.channelsFor(identity)
        const position = channels.positionOf(channel.name)
        // Where several gateways have a state, nobody knows in which order all of it came.
        const isHere = service.channels.hear === undefined
        const isCopied = isByArrival(parameters, query)
        const result =
          query.count === true
            ? await channels.count(state.name, query)
            : isCopied && isHere
              ? channels.arrivals(state.name)
              : await channels.query(state.name, query)
        describe(c, state, isHere)
        if (isCopied && !isHere && state.keep !== undefined && state.keep !== 1) {
          // What has happened elsewhere by now can be in the records; here it may still be on its way.
          await service.channels.hear?.(channel.name)
          c.header(STATE_HEADER.THROUGH, formatPosition(channels.positionOf(channel.name)))
        }
        return respond(c, { body: JSON.stringify(result), kind: 'list', position })
      },
    },
  })
}

/** Whether all records are asked for in the order in which they came. */
function isByArrival(parameters: URLSearchParams, query: Query): boolean {
  const order = parameters.get('order')
  if (order === null) return false
  if (order === 'arrival' && Object.keys(query).length === 0) return true
  throw new WebServerError('INVALID_QUERY', 'order is arrival, and stands alone')
}

/** Tells what a copy of the state needs to know. Where several gateways have a state, each has its own bound. */
function describe(
  c: GatewayContext,
  { by, keep = 1, maxRecords, key }: StateInfo,
  isHere: boolean,
): void {
  c.header(STATE_HEADER.BY, by.map(encodeURIComponent).join(','))
  if (keep !== 1) c.header(STATE_HEADER.KEEP, String(keep))
  if (isHere) c.header(STATE_HEADER.MAX_RECORDS, String(maxRecords))
  if (key !== undefined) c.header(STATE_HEADER.KEY, encodeURIComponent(key))
}
