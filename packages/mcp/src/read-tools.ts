import type { ChannelDescription, JsonSchema } from '@gw/client/describe'
import type { GatewayCatalog } from './catalog.js'
import { argumentsSchema, type GatewayTool } from './tool.js'
import { type AnyClient, channelOf, keyed } from './untyped-channel.js'
import { watch } from './watch.js'

const KEY: JsonSchema = { type: 'string', description: 'Key of a basket; without it, all keys.' }
const WHERE: JsonSchema = {
  type: 'object',
  description:
    'Conditions by path, all of which must hold: {"symbol": "AAPL", "price.amount": {"gt": 10, "le": 20}, "side": {"in": ["buy"]}}. ' +
    'Operators: eq ne lt le gt ge in; {"gt": {"path": "other"}} compares with another path. ' +
    '{"or": [...]}, {"and": [...]} and {"not": {...}} nest. A dot of a name is escaped in a path: "http\\\\.status".',
}
const SELECT: JsonSchema = {
  type: 'array',
  items: { type: 'string' },
  description: 'Only these paths of each record.',
}

/** The tools that read. */
export function readTools(client: AnyClient, catalog: GatewayCatalog): readonly GatewayTool[] {
  const { channels, fields, controls } = catalog
  const CHANNEL: JsonSchema = { type: 'string', enum: channels.map(({ name }) => name) }
  const channel = (name: unknown) => channelOf(client, String(name))
  const tools: GatewayTool[] = [
    {
      name: 'list_channels',
      description:
        'Lists the channels of the gateway: what each is, its kind (single: records, list: lists of records, basket: records by key), its keys, its states.',
      inputSchema: argumentsSchema({}),
      isReadOnly: true,
      run: async () => channels.map(summaryOf),
    },
    {
      name: 'describe_channel',
      description: 'The JSON Schema of the records of a channel, with its keys and states.',
      inputSchema: argumentsSchema({ channel: CHANNEL }, ['channel']),
      isReadOnly: true,
      run: async ({ channel: name }) => {
        const described = channels.find((each) => each.name === name) as ChannelDescription
        return { ...summaryOf(described), record: described.record }
      },
    },
    {
      name: 'last',
      description: 'What ticked last on a channel, or on a key of a basket; null before any tick.',
      inputSchema: argumentsSchema({ channel: CHANNEL, key: KEY }, ['channel']),
      isReadOnly: true,
      run: async ({ channel: name, key }, signal) =>
        (await channel(name).last(...keyed(key, { signal }))) ?? null,
    },
    {
      name: 'next',
      description: 'Waits for the next tick of a channel, or of a key of a basket.',
      inputSchema: argumentsSchema(
        { channel: CHANNEL, key: KEY, timeoutSeconds: secondsSchema(30) },
        ['channel'],
      ),
      isReadOnly: true,
      run: ({ channel: name, key, timeoutSeconds = 30 }, signal) =>
        channel(name).next(...keyed(key, { signal, timeoutMs: Number(timeoutSeconds) * 1000 })),
    },
    {
      name: 'watch',
      description:
        'Watches a channel, or a key of a basket, and answers the ticks that came: when there are enough, or the time is over.',
      inputSchema: argumentsSchema(
        {
          channel: CHANNEL,
          key: KEY,
          where: WHERE,
          select: SELECT,
          maxTicks: { type: 'integer', minimum: 1, maximum: 1000, default: 10 },
          timeoutSeconds: secondsSchema(10),
        },
        ['channel'],
      ),
      isReadOnly: true,
      run: ({ channel: name, ...options }, signal) => watch(channel(name), options, signal),
    },
    {
      name: 'lookup',
      description: 'A recent record by its id; null when there is none, or it was too long ago.',
      inputSchema: argumentsSchema({ channel: CHANNEL, id: { type: 'string' } }, ['channel', 'id']),
      isReadOnly: true,
      run: async ({ channel: name, id }, signal) =>
        (await channel(name).lookup(String(id), { signal })) ?? null,
    },
  ]
  if (channels.some(({ states }) => states.length > 0)) tools.push(queryTool(client, catalog))
  const staged = channels.filter(({ isStaged }) => isStaged).map(({ name }) => name)
  if (staged.length > 0) {
    tools.push({
      name: 'stagings',
      description:
        'Records that are staged on a channel, by staging: they tick when it is released.',
      inputSchema: argumentsSchema({ channel: { type: 'string', enum: staged } }, ['channel']),
      isReadOnly: true,
      run: ({ channel: name }, signal) => channel(name).stage.contents(undefined, { signal }),
    })
  }
  if (fields.length > 0) {
    tools.push({
      name: 'field',
      description: 'A static value of the gateway.',
      inputSchema: argumentsSchema({ name: { type: 'string', enum: fields } }, ['name']),
      isReadOnly: true,
      run: ({ name }, signal) => channel(name).value({ signal }),
    })
  }
  const asked = controls.filter((name) => name === 'heartbeat' || name === 'stats')
  if (asked.length > 0) {
    tools.push({
      name: 'control',
      description:
        'Asks the gateway itself: heartbeat goes through its engine and back, stats tells of process and machine.',
      inputSchema: argumentsSchema({ name: { type: 'string', enum: asked } }, ['name']),
      isReadOnly: true,
      run: ({ name }, signal) => client.$control(name as 'heartbeat' | 'stats', { signal }),
    })
  }
  return tools
}

function queryTool(client: AnyClient, { channels }: GatewayCatalog): GatewayTool {
  const states = channels.flatMap(({ name, states }) =>
    states.map((state) => ({ ...state, channel: name })),
  )
  const list = states.map(({ name, channel, by }) => `${name} (${channel} by ${by.join(', ')})`)
  return {
    name: 'query',
    description: `The records of a state: the newest of each key. Answers how many match, and those within limit and offset. States: ${list.join('; ')}.`,
    inputSchema: argumentsSchema(
      {
        state: { type: 'string', enum: states.map(({ name }) => name) },
        where: WHERE,
        sort: {
          type: 'array',
          items: { type: 'string' },
          description: 'Paths; a minus in front sorts down.',
        },
        limit: { type: 'integer', minimum: 0, maximum: 1000, default: 100 },
        offset: { type: 'integer', minimum: 0, default: 0 },
        select: SELECT,
      },
      ['state'],
    ),
    isReadOnly: true,
    run: async ({ state: name, where, ...parts }, signal) => {
      const state = states.find((each) => each.name === name) as (typeof states)[number]
      const channel = channelOf(client, state.channel)
      const filter = where === undefined ? {} : { where: where as object }
      const options = { state: state.name, signal }
      const [matching, records] = await Promise.all([
        channel.count(filter, options),
        channel.query({ limit: 100, ...parts, ...filter }, options),
      ])
      return { matching, records }
    },
  }
}

/** A channel in few words: what there is to know before one is chosen. */
function summaryOf(channel: ChannelDescription): object {
  const { name, kind, doc, keys, states, isSendable, isStaged } = channel
  return {
    name,
    kind,
    ...(doc === undefined ? {} : { doc }),
    ...(keys === undefined ? {} : { keys }),
    ...(states.length === 0 ? {} : { states }),
    sendable: isSendable,
    staged: isStaged,
  }
}

function secondsSchema(fallback: number): JsonSchema {
  return { type: 'number', exclusiveMinimum: 0, maximum: 600, default: fallback }
}
