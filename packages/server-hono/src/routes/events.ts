import { type DeliveryMode, type From, type Position, parsePosition, pathOf } from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import type { GatewayContext, GatewayEnv } from '../http/context.js'
import { notFoundError, serveEndpoint } from '../http/endpoint.js'
import { queryOfParameters } from '../http/query-parameters.js'
import type { Service } from '../service.js'
import { EventStream } from '../stream/event-stream.js'
import { HEARTBEAT } from '../stream/heartbeat.js'
import type { Subscription } from '../stream/session.js'
import type { StreamServer } from '../stream/stream-server.js'
import { hearChannel, type Opening, openSubscription } from '../stream/subscribe.js'
import { eventWire, type Wire } from '../stream/wire.js'

/** After how long a page is to come back. */
const RETRY = Buffer.from('retry: 1000\n\n')

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // Proxies are not to gather what is to be told at once.
  'X-Accel-Buffering': 'no',
}

interface Target {
  readonly channel: string
  readonly key: string | undefined
}

/** Serves each channel, and each key of a basket, as server-sent events: one subscription a request. */
export function serveEvents(app: Hono<GatewayEnv>, service: Service, streams: StreamServer): void {
  for (const path of ['/:name', '/:name/:key{[^]+}']) {
    serveEndpoint<Target>(app, service, {
      path: `${pathOf('stream')}${path}`,
      resolve: (c) => {
        const name = c.req.param('name') ?? ''
        const key = c.req.param('key')
        if (name === HEARTBEAT && key === undefined) return { channel: HEARTBEAT, key }
        const info = service.served.channels.find(name)
        if (info === undefined || (key !== undefined && info.kind !== 'basket')) {
          throw notFoundError()
        }
        return { channel: info.name, key }
      },
      methods: {
        GET: async (c, { channel, key }, identity) => {
          await hearChannel(service, identity, channel, key)
          if (c.env?.outgoing?.destroyed === true) {
            throw new WebServerError('REQUEST_TIMEOUT', 'the client has gone')
          }
          const wire = eventWire(channel)
          const started = startOf(c, service, channel, key, identity, wire)
          if (c.req.method === 'HEAD') return c.body(null, 200, { ...HEADERS })
          const events = new EventStream()
          const session = streams.attach(events, identity)
          const { line, before } = started()
          const subscription: Subscription = { channel, key, id: undefined, line }
          session.subscribe(channel, subscription, before)
          return c.body(events.body, 200, { ...HEADERS })
        },
      },
    })
  }
}

type Started = () => Pick<Subscription, 'line'> & { readonly before: Iterator<Buffer> }

/** Checks what a request asks for; what it returns makes the subscription. */
function startOf(
  c: GatewayContext,
  service: Service,
  channel: string,
  key: string | undefined,
  identity: Parameters<typeof openSubscription>[1],
  wire: Wire,
): Started {
  const mode = modeOf(c.req.query('mode'))
  const from = fromOf(c)
  if (channel === HEARTBEAT) {
    return () => ({ line: service.hub.heartbeat.line(wire), before: [RETRY][Symbol.iterator]() })
  }
  const record = service.served.channels.exactly(channel)?.recordSchema
  if (record === undefined) throw notFoundError()
  const { where, select, ...others } = queryOfParameters(new URL(c.req.url).searchParams, record)
  const [other] = Object.keys(others)
  if (other !== undefined) {
    throw new WebServerError('INVALID_QUERY', `${other} is of states: ticks are told as they come`)
  }
  const state = c.req.query('state')
  const request = { channel, key, from, where, select, state }
  const opening = openSubscription(service, identity, request)
  return () => ({
    line: opening.feed.line(wire, mode),
    before: beforeOf(opening, from, key, wire, mode),
  })
}

function* beforeOf(
  { before, recovered, position }: Opening,
  from: From,
  key: string | undefined,
  wire: Wire,
  mode: DeliveryMode,
): Generator<Buffer> {
  yield RETRY
  if (!recovered && typeof from === 'object') {
    // What is ahead of us is of another past, of which nothing is known.
    const isPast = 'epoch' in from && from.epoch === position.epoch && from.offset < position.offset
    const first = isPast ? from.offset + 1 : 1
    const gap = { type: 'gap', key, from: first, to: position.offset, reason: 'history' } as const
    yield wire.encode(gap) as Buffer
  }
  yield* before(wire, mode)
  // Where to come back to, should the connection be lost before the first event.
  yield wire.encode({ type: 'progress', position }) as Buffer
}

/** The id of the last event, with which a page comes back, goes before what its URL says. */
function fromOf(c: GatewayContext): From {
  const lastEventId = c.req.header('last-event-id')
  if (lastEventId !== undefined && lastEventId !== '') return positionOf(lastEventId)
  const text = c.req.query('from')
  if (text === undefined || text === 'now') return 'now'
  if (text === 'snapshot') return text
  const position = parsePosition(text)
  if (position !== undefined) return position
  // A time begins with its year, which no epoch is followed by.
  if (/^\d{4}-/.test(text)) return { time: text }
  throw new WebServerError('BAD_REQUEST', 'from is now, snapshot, EPOCH:OFFSET or a time')
}

function positionOf(text: string): Position {
  const position = parsePosition(text)
  if (position !== undefined) return position
  throw new WebServerError('BAD_REQUEST', 'Last-Event-ID is no position: give EPOCH:OFFSET')
}

function modeOf(text: string | undefined): DeliveryMode {
  if (text === undefined) return 'nonCollapsing'
  if (text === 'nonCollapsing' || text === 'lastValue' || text === 'burst') return text
  throw new WebServerError('BAD_REQUEST', 'mode is nonCollapsing, lastValue or burst')
}
