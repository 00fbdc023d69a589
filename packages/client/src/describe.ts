import { API_PATH, type ChannelKind } from '@gw/protocol'
import type { OpenApiDocument } from './gateway-calls.js'

/** A JSON Schema (draft 2020-12). */
export type JsonSchema = { readonly [member: string]: unknown }

/** A state of a channel. */
export interface StateDescription {
  readonly name: string
  /** Paths that make the key. */
  readonly by: readonly string[]
}

/** A channel, as the gateway describes it to who does not know its contract. */
export interface ChannelDescription {
  readonly name: string
  readonly kind: Exclude<ChannelKind, 'field'>
  /** What its contract says of it. */
  readonly doc: string | undefined
  /** Keys of a basket, where they are fixed, and not too many to be named. */
  readonly keys: readonly string[] | undefined
  readonly states: readonly StateDescription[]
  readonly isSendable: boolean
  readonly isStaged: boolean
  /** Schema of a record that comes: of a list, of its elements; of a basket, of what is under a key. */
  readonly record: JsonSchema
  /** Schema of a record that may be sent. */
  readonly input: JsonSchema
}

/**
 * The channels that a gateway describes, in the order of their names. References in the schemas are resolved, so that each stands
 * for itself.
 * @example `const channels = channelsOf(await client.$describe())`
 */
export function channelsOf(document: OpenApiDocument): readonly ChannelDescription[] {
  const { paths, components: { schemas = {} } = {} } = document
  const operation = (path: string, method: string): Operation | undefined =>
    paths[`${API_PATH}/${path}`]?.[method] as Operation | undefined
  const states = namesBelow(document, 'state').map((name) => {
    const { channel, by } = operation(`state/${name}`, 'get')?.['x-gateway'] ?? {}
    return { channel, state: { name, by: by ?? [] } }
  })
  return namesBelow(document, 'last').map((name) => {
    const last = operation(`last/${name}`, 'get')
    const sent = operation(`send/${name}`, 'post')?.requestBody?.content
    const { kind = 'single', sendable = false } = last?.['x-gateway'] ?? {}
    const answer = last?.responses?.[200]?.content
    const body = schemaOf(sent)
    // A basket takes an object of records; any other channel a list of them, or one.
    const input =
      kind === 'basket'
        ? body.additionalProperties || Object.values(body.properties ?? {})[0]
        : (body.anyOf as readonly unknown[] | undefined)?.[1]
    return {
      name,
      kind,
      doc: last?.description,
      keys: operation(`last/${name}/{key}`, 'get')?.parameters?.[0]?.schema?.enum,
      states: states.filter(({ channel }) => channel === name).map(({ state }) => state),
      isSendable: sendable,
      isStaged: operation(`stage/${name}`, 'get') !== undefined,
      record: resolved(schemaOf(answer).items, schemas) as JsonSchema,
      input: resolved(input, schemas) as JsonSchema,
    }
  })
}

/** Names that a gateway serves below a group of its routes: `field`, `controls`, `state`, ... */
export function namesBelow(document: OpenApiDocument, group: string): readonly string[] {
  const prefix = `${API_PATH}/${group}/`
  return Object.keys(document.paths)
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length))
    .filter((name) => name !== '' && !name.includes('/'))
    .toSorted()
}

/** What is read of an operation. */
interface Operation {
  readonly description?: string
  readonly parameters?: readonly { readonly schema?: { readonly enum?: readonly string[] } }[]
  readonly requestBody?: { readonly content?: Content }
  readonly responses?: Readonly<Record<number, { readonly content?: Content }>>
  readonly 'x-gateway'?: {
    readonly kind?: ChannelDescription['kind']
    readonly sendable?: boolean
    readonly channel?: string
    readonly by?: readonly string[]
  }
}

type Content = Readonly<Record<string, { readonly schema?: JsonSchema }>>

function schemaOf(content: Content | undefined): JsonSchema {
  return content?.['application/json']?.schema ?? {}
}

const MAX_DEPTH = 16

/** A schema with what its references stand for in their place; deeper than any struct is, anything goes. */
function resolved(
  schema: unknown,
  schemas: Readonly<Record<string, unknown>>,
  depth: number = MAX_DEPTH,
): unknown {
  if (Array.isArray(schema)) return schema.map((item) => resolved(item, schemas, depth - 1))
  if (typeof schema !== 'object' || schema === null) return schema ?? {}
  if (depth === 0) return {}
  const { $ref } = schema as { readonly $ref?: unknown }
  if (typeof $ref === 'string') {
    return resolved(schemas[$ref.slice($ref.lastIndexOf('/') + 1)], schemas, depth - 1)
  }
  return Object.fromEntries(
    Object.entries(schema).map(([name, member]) => [name, resolved(member, schemas, depth - 1)]),
  )
}
