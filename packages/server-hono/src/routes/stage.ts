import { type ChannelInfo, ChannelsError } from '@gw/channels'
import { API_PATH, type Identity } from '@gw/protocol'
import type { Hono } from 'hono'
import { WebServerError } from '../errors.js'
import { invalidRecords } from '../http/answers.js'
import { type GatewayContext, type GatewayEnv, jsonBody } from '../http/context.js'
import { notFoundError, respond, serveEndpoint } from '../http/endpoint.js'
import { requireScope, requireSend } from '../http/identity.js'
import { invalid } from '../http/validation.js'
import type { Service, Soon } from '../service.js'

/** Serves the stagings of a channel: POST adds, DELETE removes, PATCH releases, GET lists, PUT shows. */
export function serveStage(app: Hono<GatewayEnv>, service: Service): void {
  const { access, served, settings } = service
  const answer = (c: GatewayContext, value: unknown): Response | Promise<Response> =>
    respond(c, { body: JSON.stringify(value) })

  serveEndpoint<ChannelInfo>(app, service, {
    path: `${API_PATH}/stage/:name`,
    resolve: (c) => {
      const info = served.staged.find(c.req.param('name') ?? '')
      if (info === undefined) throw notFoundError()
      return info
    },
    methods: {
      POST: async (c, info, identity) => {
        mayStage(identity, info)
        const ids = idsOf(c)
        const record = recordOf(await jsonBody(c, settings.limits), info)
        if (record === undefined && ids !== undefined && ids.length > 0) {
          throw new WebServerError(
            'STAGING_MISUSE',
            'Cannot specify staging_ids without a struct to add',
          )
        }
        const channels = access.channelsFor(identity)
        const origin = identity.name
        return answer(
          c,
          await staged(info, record, () => channels.stageAdd(info.name, record, ids, { origin })),
        )
      },
      DELETE: async (c, info, identity) => {
        mayStage(identity, info)
        const record = recordOf(await jsonBody(c, settings.limits), info)
        const id = record === undefined ? undefined : recordIdOf(record)
        return answer(c, await access.channelsFor(identity).stageRemove(info.name, id, idsOf(c)))
      },
      PATCH: async (c, info, identity) => {
        mayStage(identity, info)
        requireSend(service, identity, info.name)
        const ids = idsOf(c)
        const channels = access.channelsFor(identity)
        return answer(c, await channels.stageRelease(info.name, ids, { origin: identity.name }))
      },
      GET: async (c, info, identity) => {
        requireScope(identity, 'read', info.name)
        return answer(c, await access.channelsFor(identity).stageList(info.name, oneId(c)))
      },
      PUT: async (c, info, identity) => {
        requireScope(identity, 'read', info.name)
        return answer(c, await access.channelsFor(identity).stageLookup(info.name, oneId(c)))
      },
    },
  })
}

function mayStage(identity: Identity, info: ChannelInfo): void {
  requireScope(identity, 'stage', info.name)
}

/** `?id=`: absent, empty (all), or ids with commas between. */
function idsOf(c: GatewayContext): readonly string[] | undefined {
  const text = c.req.query('id')
  if (text === undefined) return undefined
  return text === '' ? [] : text.split(',')
}

function oneId(c: GatewayContext): string | undefined {
  const [id] = idsOf(c) ?? []
  return id
}

function recordOf(body: unknown, info: ChannelInfo): unknown {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'object' && !Array.isArray(body)) return body
  throw invalid('INVALID_RECORD', [
    {
      type: 'model_attributes_type',
      loc: ['body'],
      msg: 'Input should be a valid dictionary or object to extract fields from',
      input: body,
      ctx: { channel: info.name },
    },
  ])
}

/** Only the id of a record says which one is removed. */
function recordIdOf(record: unknown): string {
  const { id } = record as { readonly id?: unknown }
  if (id === undefined || id === null) return ''
  if (typeof id === 'string' || typeof id === 'number') return String(id)
  throw invalid('INVALID_RECORD', [
    { type: 'string_type', loc: ['body', 'id'], msg: 'Input should be a valid string', input: id },
  ])
}

async function staged<T>(info: ChannelInfo, record: unknown, act: () => Soon<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof ChannelsError && error.code === 'INVALID_RECORD') {
      const issues = (error.issues ?? []).map((issue) => ({ ...issue, path: [0, ...issue.path] }))
      throw invalidRecords(info, undefined, record, issues, error.message)
    }
    throw error
  }
}
