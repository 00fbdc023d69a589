import type { Contract } from '@gw/channels'
import type { AnyChannels, ChannelName } from '@gw/protocol'
import { z } from 'zod'
import { KafkaError, messageOf } from './errors.js'
import {
  checkShape,
  is,
  isObject,
  isSecretly,
  isText,
  isUrl,
  MS,
  mapOf,
  type RulesOf,
  TOPIC,
} from './option-rules.js'
import type { Serde } from './serde.js'

/** A JSON Schema, draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * The JSON Schema of what a channel ticks, made of the contract: of a list channel an array, of a basket what one key ticks.
 * @throws KafkaError `INVALID_OPTIONS` when the contract has no such channel.
 */
export function jsonSchemaOf<C extends AnyChannels>(
  contract: Contract<C>,
  channel: ChannelName<C>,
): JsonSchema {
  const { schema } = (contract.channels[channel] ?? {}) as { readonly schema?: unknown }
  if (!(schema instanceof z.ZodType)) {
    throw new KafkaError('INVALID_OPTIONS', `the contract has no channel "${channel}"`, { channel })
  }
  return z.toJSONSchema(schema, { target: 'draft-7', unrepresentable: 'any' }) as JsonSchema
}

/** Options of {@link confluentJson}. */
export interface ConfluentOptions {
  /** Where the schema registry is, such as `http://127.0.0.1:8081`. */
  readonly registry: string
  /** The schemas of the topics that are written; `{@link jsonSchemaOf}` makes them of a contract. */
  readonly schemas?: Readonly<Record<string, JsonSchema>>
  readonly login?: { readonly username: string; readonly password: string }
  /** How long one request may take. @defaultValue 10_000 */
  readonly timeoutMs?: number
}

const RULES: RulesOf<ConfluentOptions> = {
  // It may have a login in it.
  registry: isSecretly('an address such as http://127.0.0.1:8081', isUrl),
  schemas: mapOf(TOPIC, is('a JSON Schema, which is an object', isObject)),
  login: isSecretly(
    'an object with a username and a password, which are texts',
    (value) => isObject(value) && isText(value.username) && typeof value.password === 'string',
  ),
  timeoutMs: MS,
}

const MAGIC = 0
const HEADER_BYTES = 5

/**
 * JSON in the wire format of Confluent's schema registry: a zero byte, the schema's id in four bytes, big end first, then the
 * JSON. The schema of each topic is registered as `TOPIC-value`; one that is there already is used. Records are read with any id:
 * the contract checks them.
 * @throws KafkaError `INVALID_OPTIONS`; `REGISTRY_FAILED` naming the topic, when the registry cannot be reached or finds a schema incompatible.
 * @see https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */
export async function confluentJson(options: ConfluentOptions): Promise<Serde> {
  checkShape('confluentJson', options, { ...RULES }, ['registry'])
  const headers = new Map<string, Uint8Array>()
  for (const [topic, schema] of Object.entries(options.schemas ?? {})) {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeUInt32BE(await register(options, topic, schema), 1)
    headers.set(topic, header)
  }
  return {
    write: (json, { topic, channel }) => {
      const header = headers.get(topic)
      if (header === undefined) {
        throw new KafkaError(
          'INVALID_OPTIONS',
          `topic "${topic}" is written without a schema: add it to schemas`,
          { topic, channel },
        )
      }
      return Buffer.concat([header, Buffer.from(json)])
    },
    read: (bytes) => {
      if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) {
        throw new Error('it does not begin with a zero byte and the id of a schema')
      }
      return JSON.parse(bytes.toString('utf8', HEADER_BYTES)) as unknown
    },
  }
}

async function register(
  options: ConfluentOptions,
  topic: string,
  schema: JsonSchema,
): Promise<number> {
  const { registry, login, timeoutMs = 10_000 } = options
  const failed = (why: string, cause?: unknown): KafkaError =>
    new KafkaError(
      'REGISTRY_FAILED',
      `the schema of topic "${topic}" could not be registered at ${withoutLogin(registry)}: ${why}`,
      { topic, ...(cause === undefined ? {} : { cause }) },
    )
  try {
    const response = await fetch(addressOf(registry, topic), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/vnd.schemaregistry.v1+json',
        ...(login === undefined
          ? {}
          : {
              Authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`,
            }),
      },
      body: JSON.stringify({ schemaType: 'JSON', schema: JSON.stringify(schema) }),
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await response.text()
    const { id, message } = answerIn(text)
    if (!response.ok) throw failed(`it answers ${response.status} ${message ?? text.slice(0, 200)}`)
    if (!isId(id)) throw failed(`it answers no id: ${text.slice(0, 200)}`)
    return id
  } catch (error) {
    if (error instanceof KafkaError) throw error
    // What fetch says is that it failed; why is in the cause.
    const { cause = error } = error as { readonly cause?: unknown }
    throw failed(messageOf(cause), error)
  }
}

/** Below the path of the registry, which some have. */
function addressOf(registry: string, topic: string): URL {
  const url = new URL(registry)
  if (url.username !== '' || url.password !== '') {
    throw new Error('it has a login in its address: give it as `login`')
  }
  const path = url.pathname.replace(/\/+$/, '')
  url.pathname = `${path}/subjects/${encodeURIComponent(`${topic}-value`)}/versions`
  return url
}

function withoutLogin(registry: string): string {
  return registry.replace(/\/\/[^/]*@/, '//')
}

/** What is in an answer; nothing when it is no JSON, such as the page of a proxy. */
function answerIn(text: string): { readonly id?: unknown; readonly message?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function isId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < 2 ** 32
}
