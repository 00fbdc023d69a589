import type { ChannelTick } from '@gw/channels'
import { API_PATH, type Identity } from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import type { GatewayContext, GatewayEnv } from '../http/context.js'
import { notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import { requireScope } from '../http/identity.js'
import type { Service } from '../service.js'

/** How long an answer of the engine may take. */
const ANSWER_TIMEOUT_MS = 10_000

/** Serves the controls: each is a record that travels through the engine and comes back answered. */
export function serveControls(app: Hono<GatewayEnv>, service: Service): void {
  const { controls } = service
  if (controls === undefined) return
  const named = (c: GatewayContext): string => {
    const name = c.req.param('name') ?? ''
    if (!controls.names.includes(name)) throw notFoundError()
    return name
  }
  const queries = controls.names.filter((name) => name !== 'shutdown')
  for (const query of queries) {
    serveEndpoint<string>(app, service, {
      path: `${API_PATH}/controls/:name{${query}}`,
      resolve: named,
      methods: { GET: (c, name, identity) => ask(service, c, name, identity) },
    })
  }
  serveEndpoint<string>(app, service, {
    path: `${API_PATH}/controls/:name{shutdown}`,
    resolve: named,
    methods: { POST: (c, name, identity) => ask(service, c, name, identity) },
  })
}

async function ask(
  service: Service,
  c: GatewayContext,
  name: string,
  identity: Identity,
): Promise<Response> {
  requireScope(identity, 'control', service.controls?.channel)
  service.audit?.done(identity, 'control', service.controls?.channel ?? name, name)
  const tick = await roundTrip(service, name)
  if (name !== 'shutdown') return respond(c, { body: tick.json, kind: 'single' })
  // Stopping finishes the requests that are there, this one too.
  setImmediate(() => {
    service.gateway.stop().catch((error: unknown) => {
      service.settings.log.error({ err: error }, 'the shutdown failed')
    })
  })
  const [record] = JSON.parse(tick.json) as [object]
  return respond(c, { body: JSON.stringify([{ ...record, status: 'ok' }]), kind: 'single' })
}

/** Sends a control, and waits for its tick. */
async function roundTrip({ channels, controls }: Service, name: string): Promise<ChannelTick> {
  const channel = controls?.channel ?? ''
  let id: unknown
  let resolve: (tick: ChannelTick) => void = () => undefined
  const answered = new Promise<ChannelTick>((fulfil) => {
    resolve = fulfil
  })
  const early: ChannelTick[] = []
  const watch = channels.watch(channel, undefined, (tick) => {
    if (id === undefined) early.push(tick)
    else if (idOf(tick.value) === id) resolve(tick)
  })
  let timer: NodeJS.Timeout | undefined
  try {
    const { records } = await channels.sendAllAndWait(channel, [{ name }])
    id = idOf(records[0])
    for (const tick of early) if (idOf(tick.value) === id) resolve(tick)
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new WebServerError('NEXT_TIMEOUT', 'the engine did not answer in time')),
        ANSWER_TIMEOUT_MS,
      )
    })
    return await Promise.race([answered, timeout])
  } finally {
    clearTimeout(timer)
    watch.stop()
  }
}

function idOf(record: unknown): unknown {
  return (record as { readonly id?: unknown } | undefined)?.id
}
