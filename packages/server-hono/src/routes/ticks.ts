import type { ChannelTick } from '@gw/channels'
import {
  API_PATH,
  type Identity,
  isMessageId,
  MAX_MESSAGE_ID_LENGTH,
  type Position,
  parsePosition,
} from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import {
  type BasketForm,
  lastAnswer,
  sendAnswer,
  type Target,
  tickAnswer,
} from '../http/answers.js'
import { clientGone, missingBody } from '../http/body.js'
import { type GatewayContext, type GatewayEnv, jsonBody } from '../http/context.js'
import { type Endpoint, notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import { requireScope } from '../http/identity.js'
import { flagOf } from '../http/query-parameters.js'
import { whileValid } from '../http/while-valid.js'
import type { Service } from '../service.js'
import { hearChannel } from '../stream/subscribe.js'

const MAX_TIMEOUT_SECONDS = 999_999_999

/** Serves `last`, `next` and `send` of every channel, and of every key of a basket. */
export function serveTicks(app: Hono<GatewayEnv>, service: Service): void {
  const groups: readonly (readonly [string, Endpoint<Target>['methods']])[] = [
    ['last', { GET: (c, target, identity) => last(service, c, target, identity) }],
    ['next', { GET: (c, target, identity) => next(service, c, target, identity) }],
    ['send', { POST: (c, target, identity) => send(service, c, target, identity) }],
  ]
  for (const [group, methods] of groups) {
    for (const path of ['/:name', '/:name/:key{[^]+}']) {
      serveEndpoint(app, service, {
        path: `${API_PATH}/${group}${path}`,
        resolve: (c) => targetOf(service, c),
        methods,
      })
    }
  }
}

/** The channel, or key of a basket, that a path names. */
function targetOf(service: Service, c: GatewayContext): Target {
  const info = service.served.channels.find(c.req.param('name') ?? '')
  const key = c.req.param('key')
  if (info === undefined || (key !== undefined && info.kind !== 'basket')) throw notFoundError()
  return { info, key }
}

type Call = (
  service: Service,
  c: GatewayContext,
  target: Target,
  identity: Identity,
) => Promise<Response> | Response

const last: Call = (service, c, target, identity) => {
  const { info, key } = target
  const position = c.req.query('atLeast')
  const form = formOf(c)
  timeoutOf(c)
  const answer = (): Response | Promise<Response> =>
    respond(c, lastAnswer(service, target, identity, form))
  if (position === undefined) {
    const heard = hearChannel(service, identity, info.name, key)
    return heard === undefined ? answer() : heard.then(answer)
  }
  requireScope(identity, 'read', info.name, key)
  return service.waits.during(async (stopped) => {
    await waiting(service, c, identity, stopped, (wait) =>
      service.channels.atLeast(info.name, key, positionOf(position), wait),
    )
    await hearChannel(service, identity, info.name, key)
    return answer()
  })
}

const next: Call = async (service, c, target, identity) => {
  const { info, key } = target
  requireScope(identity, 'read', info.name, key)
  const form = formOf(c)
  if (timeoutOf(c) < 1) {
    throw new WebServerError('BAD_REQUEST', 'this waits for nothing: ask for last instead')
  }
  await hearChannel(service, identity, info.name, key)
  // Also the refusal of a channel that nobody provides, which is not to wait.
  const channels = service.access.channelsFor(identity)
  const present = channels.lastTicks(info.name, key)
  const answer = (ticks: readonly ChannelTick[]): Response | Promise<Response> => {
    const { etag: _, ...rest } = tickAnswer(service, target, identity, form, ticks)
    return respond(c, rest)
  }
  if (c.req.method === 'HEAD') return answer(present)
  return service.waits.during(async (stopped) =>
    answer(
      await waiting(service, c, identity, stopped, (wait) =>
        channels.nextTicks(info.name, key, wait),
      ),
    ),
  )
}

const send: Call = async (service, c, target, identity) => {
  const { info, key } = target
  requireScope(identity, 'send', info.name, key)
  const body = await jsonBody(c, service.settings.limits)
  if (body === undefined) throw missingBody()
  return respond(c, await sendAnswer(service, target, identity, body, sendOptionsOf(c)))
}

function sendOptionsOf(c: GatewayContext): { messageId?: string; expect?: Position } {
  const messageId = c.req.query('messageId') ?? c.req.header('idempotency-key')
  if (messageId !== undefined && !isMessageId(messageId)) {
    const message = `a message id has 1 to ${MAX_MESSAGE_ID_LENGTH} characters`
    throw new WebServerError('BAD_REQUEST', message)
  }
  const expect = c.req.query('expect')
  return {
    ...(messageId === undefined ? {} : { messageId }),
    ...(expect === undefined ? {} : { expect: positionOf(expect) }),
  }
}

function formOf(c: GatewayContext): BasketForm {
  return flagOf('keys', c.req.query('keys')) ? 'keys' : 'array'
}

function positionOf(text: string): Position {
  const position = parsePosition(text)
  if (position !== undefined) return position
  throw new WebServerError('BAD_REQUEST', `${text} is no position: give EPOCH:OFFSET`)
}

/** Waits until the client goes, its key or the gateway ends, or the shorter of its own time-out, in seconds, and ours is over. */
async function waiting<T>(
  service: Service,
  c: GatewayContext,
  identity: Identity,
  stopped: AbortSignal,
  wait: (bounds: { timeoutMs: number; signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const timeoutMs = Math.min(timeoutOf(c), service.settings.limits.nextTimeoutMs)
  return whileValid(service, identity, [goneSignal(c), stopped], (signal) =>
    wait({ timeoutMs, signal }),
  )
}

/** How long a request wants to wait, in milliseconds. */
function timeoutOf(c: GatewayContext): number {
  const text = c.req.query('timeout')
  if (text === undefined) return Number.POSITIVE_INFINITY
  const seconds = /^\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
  if (seconds <= MAX_TIMEOUT_SECONDS) return seconds * 1_000
  throw new WebServerError('BAD_REQUEST', `timeout=${text} is not a number of seconds`)
}

/** Aborts when the client has gone. */
function goneSignal(c: GatewayContext): AbortSignal {
  const outgoing = c.env?.outgoing
  if (outgoing === undefined) return c.req.raw.signal
  const controller = new AbortController()
  outgoing.once('close', () => {
    controller.abort(clientGone())
  })
  return controller.signal
}
