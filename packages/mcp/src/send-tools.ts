import type { ChannelDescription, JsonSchema } from '@gw/client/describe'
import type { GatewayCatalog } from './catalog.js'
import { argumentsSchema, type GatewayTool } from './tool.js'
import { type AnyClient, channelOf, keyed } from './untyped-channel.js'

const MESSAGE_ID: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 128,
  description:
    'A name for this send: said again with the same name it happens once. Give one when you may have to repeat it.',
}

/** The tools that send: one for each channel that takes records, with their schema, and one for staging. */
export function sendTools(client: AnyClient, catalog: GatewayCatalog): readonly GatewayTool[] {
  const { channels } = catalog
  const tools = channels.filter((it) => it.isSendable).map((it) => sendTool(client, it))
  const staged = channels.filter(({ isStaged }) => isStaged).map(({ name }) => name)
  return staged.length === 0 ? tools : [...tools, stageTool(client, staged)]
}

function sendTool(client: AnyClient, channel: ChannelDescription): GatewayTool {
  const { name, kind, doc, keys, input } = channel
  const key: JsonSchema =
    keys === undefined ? { type: 'string', minLength: 1 } : { type: 'string', enum: keys }
  const isBasket = kind === 'basket'
  const each = kind === 'list' ? 'They tick as one list.' : 'Each of them is one tick.'
  return {
    name: `send_${name.replace(/[^\w-]/g, '_')}`,
    description: [
      `Sends records to the channel ${name}: all of them or none. ${each}`,
      'Answers the records as the gateway completed them.',
      ...(doc === undefined ? [] : [doc]),
    ].join(' '),
    inputSchema: argumentsSchema(
      {
        records: { type: 'array', items: input, minItems: 1, maxItems: 1000 },
        ...(isBasket ? { key } : {}),
        messageId: MESSAGE_ID,
      },
      isBasket ? ['records', 'key'] : ['records'],
    ),
    isReadOnly: false,
    run: async ({ records, key, messageId }, signal) => {
      const options = {
        signal,
        ...(messageId === undefined ? {} : { messageId: String(messageId) }),
      }
      const receipt = await channelOf(client, name).sendAll(records, ...keyed(key, options))
      return { records: receipt.records }
    },
  }
}

function stageTool(client: AnyClient, staged: readonly string[]): GatewayTool {
  return {
    name: 'stage',
    description:
      'Collects records that tick later. add: stages a record (into the newest staging, or those of ids). ' +
      'remove: takes the record of recordId out, or drops stagings. release: lets stagings tick; without ids, all of them.',
    inputSchema: argumentsSchema(
      {
        channel: { type: 'string', enum: staged },
        action: { type: 'string', enum: ['add', 'remove', 'release'] },
        record: { type: 'object', description: 'What add stages; see describe_channel.' },
        recordId: { type: 'string' },
        ids: { type: 'array', items: { type: 'string' }, description: 'Ids of stagings.' },
      },
      ['channel', 'action'],
    ),
    isReadOnly: false,
    run: ({ channel, action, record, recordId, ids: given }, signal) => {
      const { stage } = channelOf(client, String(channel))
      const ids = given as readonly string[] | undefined
      if (action === 'add') return stage.add(record, ids, { signal })
      if (action === 'release') return stage.release(ids, { signal })
      return stage.remove(recordId as string | undefined, ids, { signal })
    },
  }
}
