import type { ChannelInfo } from '@gw/channels'
import { ERROR_STATUS, pathOf } from '@gw/protocol'
import type { Service } from '../service.js'
import { channelDoc, type JsonSchema, Schemas } from './schemas.js'

type Messages = Record<string, JsonSchema>

const STREAM = '#/channels/stream'
const TEXT = { type: 'string' }
const NUMBER = { type: 'integer', minimum: 0 }
const ID = { type: ['string', 'integer'], description: 'The client’s own name of what it says.' }
const POSITION = object({ epoch: TEXT, offset: NUMBER }, ['epoch', 'offset'])
const FROM = {
  description: 'Where the subscription begins.',
  oneOf: [
    { enum: ['now', 'snapshot'] },
    POSITION,
    object({ time: { type: 'string', format: 'date-time' } }, ['time']),
  ],
}

/** The AsyncAPI 3 description of a gateway's stream, made of its contract: of its WebSocket, and of its server-sent events. */
export function asyncApiDocument({ served, settings }: Service): JsonSchema {
  const schemas = new Schemas()
  const infos = served.channels.items
  const asked = askedMessages(infos, schemas)
  const told = toldMessages(infos, schemas)
  const refs = (messages: Messages): JsonSchema[] =>
    Object.keys(messages).map((name) => ({ $ref: `${STREAM}/messages/${name}` }))
  return {
    asyncapi: '3.0.0',
    info: {
      title: settings.title,
      version: settings.version,
      ...(settings.description === undefined ? {} : { description: settings.description }),
    },
    defaultContentType: 'application/json',
    channels: {
      stream: {
        address: pathOf('stream'),
        title: 'WebSocket',
        description:
          'Text frames, each a JSON object. A message with an id is answered; one without means what it means in csp-gateway.',
        messages: { ...asked, ...told },
        bindings: { ws: { method: 'GET' } },
      },
      ...Object.fromEntries(infos.map((info) => [`events_${info.name}`, eventsOf(info, schemas)])),
    },
    operations: {
      ask: {
        action: 'receive',
        channel: { $ref: STREAM },
        messages: refs(asked),
        reply: {
          channel: { $ref: STREAM },
          messages: ['acknowledgement', 'error'].map((name) => ({
            $ref: `${STREAM}/messages/${name}`,
          })),
        },
      },
      tell: { action: 'send', channel: { $ref: STREAM }, messages: refs(told) },
      ...Object.fromEntries(
        infos.map(({ name }) => [
          `events_${name}`,
          { action: 'send', channel: { $ref: `#/channels/events_${name}` } },
        ]),
      ),
    },
    components: { schemas: schemas.components },
  }
}

/** What a client may say. */
function askedMessages(infos: readonly ChannelInfo[], schemas: Schemas): Messages {
  const edge = { id: ID, channel: { enum: infos.map(({ name }) => name) }, key: TEXT }
  const send = {
    messageId: {
      ...TEXT,
      description: 'The same again answers as the first did, and sends nothing.',
    },
    expect: POSITION,
  }
  const subscribe = message('Subscribes to a channel, or to a key of a basket.', {
    action: { const: 'subscribe' },
    ...edge,
    channel: { enum: [...infos.map(({ name }) => name), 'heartbeat'] },
    from: FROM,
    where: { type: 'object', description: 'A filter tree.' },
    select: { type: 'array', items: TEXT },
    mode: { enum: ['nonCollapsing', 'lastValue', 'burst'] },
    positions: { type: 'boolean' },
    state: {
      ...TEXT,
      description: 'A state of the channel of which a copy is kept: its versions are told too.',
    },
  })
  const unsubscribe = message('Ends a subscription.', { action: { const: 'unsubscribe' }, ...edge })
  const batch = message(
    'Sends to several channels in one cycle: all or none.',
    {
      action: { const: 'batch' },
      id: ID,
      sends: {
        type: 'array',
        items: object({ channel: TEXT, key: TEXT, data: {} }, ['channel', 'data']),
      },
      messageId: TEXT,
    },
    ['action', 'id', 'sends'],
  )
  const sends = infos
    .filter(({ sendable }) => sendable)
    .map((info): [string, JsonSchema] => {
      const record = schemas.input(info.recordSchema)
      const data = { oneOf: [record, { type: 'array', items: record }] }
      const members = { action: { const: 'send' }, ...edge, channel: { const: info.name } }
      return [
        `send_${info.name}`,
        message(
          `Sends to ${info.name}.`,
          { ...members, data, ...send },
          info.kind === 'basket'
            ? ['action', 'channel', 'key', 'data']
            : ['action', 'channel', 'data'],
        ),
      ]
    })
  return { subscribe, unsubscribe, batch, ...Object.fromEntries(sends) }
}

/** What the server may say. */
function toldMessages(infos: readonly ChannelInfo[], schemas: Schemas): Messages {
  const place = { epoch: TEXT, offset: NUMBER }
  const of = { sub: ID, channel: TEXT, key: TEXT }
  const ticks = infos.map((info): [string, JsonSchema] => [
    `tick_${info.name}`,
    message(
      channelDoc(info) ?? `A tick of ${info.name}.`,
      { ...of, channel: { const: info.name }, ...tickMembers(info, schemas) },
      ['channel', 'data'],
    ),
  ])
  return {
    acknowledgement: message(
      'What was asked is done; of a subscription: it is live.',
      {
        id: ID,
        ok: { const: true },
        ...place,
        kind: { enum: ['single', 'list', 'basket'] },
        recovered: { type: 'boolean' },
        data: { type: 'array', items: {} },
        durability: { enum: ['memory', 'os', 'fsync'] },
      },
      ['id', 'ok'],
    ),
    error: message(
      'What was asked is refused.',
      {
        id: ID,
        ok: { const: false },
        code: { enum: Object.keys(ERROR_STATUS) },
        detail: {},
        errors: { type: 'array', items: { type: 'object' } },
      },
      ['id', 'ok', 'code', 'detail'],
    ),
    ...noteMessages(of),
    progress: message(
      'Nothing has ticked for a while; this is where the channel is.',
      { sub: ID, progress: POSITION },
      ['sub', 'progress'],
    ),
    heartbeat: message(
      'Once a second, to subscribers of heartbeat.',
      { channel: { const: 'heartbeat' }, data: { const: 'PING' } },
      ['channel', 'data'],
    ),
    ...Object.fromEntries(ticks),
  }
}

/** What a subscription is told beside ticks; `of` says to which it belongs. */
function noteMessages(of: JsonSchema): Messages {
  const place = { epoch: TEXT, offset: NUMBER }
  const gap = object({ from: NUMBER, to: NUMBER, reason: { enum: ['slow', 'history'] } }, [
    'from',
    'to',
    'reason',
  ])
  return {
    snapshotEnd: message(
      'The snapshot ends here; what follows is live.',
      { ...of, snapshotEnd: { const: true }, ...place },
      ['channel', 'snapshotEnd', 'epoch', 'offset'],
    ),
    gap: message('Ticks that are left out.', { ...of, gap }, ['channel', 'gap']),
    removed: message('A key has gone.', { ...of, removed: { const: true } }, [
      'channel',
      'key',
      'removed',
    ]),
    state: message(
      'The version of the state that was named: a copy of another is to be made anew.',
      { ...of, stateVersion: TEXT },
      ['channel', 'stateVersion'],
    ),
  }
}

/** One channel as server-sent events. */
function eventsOf(info: ChannelInfo, schemas: Schemas): JsonSchema {
  const of = { channel: { const: info.name }, key: TEXT }
  const data = message(`A tick of ${info.name}.`, { ...of, ...tickMembers(info, schemas) }, [
    'channel',
    'kind',
    'data',
  ])
  return {
    address: pathOf('stream', info.name),
    title: `Server-sent events of ${info.name}`,
    description: `Events are named as the messages; their ids are positions, and Last-Event-ID resumes.${
      info.kind === 'basket' ? ' One key: the same path with the key after a slash.' : ''
    }`,
    messages: { data, ...noteMessages(of) },
    bindings: { http: {} },
  }
}

function tickMembers(info: ChannelInfo, schemas: Schemas): JsonSchema {
  return {
    kind: { enum: ['single', 'list', 'basket'] },
    data: { type: 'array', items: schemas.output(info.recordSchema) },
    epoch: TEXT,
    offset: NUMBER,
    snapshot: { const: true },
  }
}

function message(
  summary: string,
  properties: JsonSchema,
  required: readonly string[] = ['action', 'channel'],
): JsonSchema {
  return { summary, payload: object(properties, required) }
}

function object(properties: JsonSchema, required: readonly string[]): JsonSchema {
  return { type: 'object', properties, required }
}
