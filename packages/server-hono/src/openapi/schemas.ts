import type { ChannelInfo } from '@gw/channels'
import { z } from 'zod'
import { typeNameOf } from '../http/answers.js'

/** A JSON Schema, as far as we put it together ourselves. */
export type JsonSchema = { readonly [member: string]: unknown }

/** The schemas of a description: each struct once, by name, as it goes out and as it may come in. */
export class Schemas {
  readonly components: Record<string, JsonSchema> = {}
  readonly #names = new Map<z.ZodType, string>()

  /** A reference to the schema of a record that goes out. */
  output(schema: z.ZodType): JsonSchema {
    return this.#reference(schema, 'output')
  }

  /** A reference to the schema of a record that may come in. */
  input(schema: z.ZodType): JsonSchema {
    return this.#reference(schema, 'input')
  }

  #reference(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    const whole = jsonSchemaOf(schema, io)
    const { $defs = {}, ...json } = whole
    const parts = Object.entries($defs as Record<string, JsonSchema>)
    const hasName = json.type === 'object' || refersTo(whole, ROOT)
    if (!hasName && parts.length === 0) return json
    const name = `${this.#nameOf(schema)}${io === 'input' ? 'Input' : ''}`
    // A schema refers to itself and its parts from its own root, which is not that of the document.
    const places = new Map([[ROOT, placeOf(name)]])
    for (const [part] of parts)
      places.set(`#/$defs/${pointerTo(part)}`, placeOf(partOf(name, part)))
    for (const [part, its] of parts) {
      this.components[partOf(name, part)] ??= placed(its, places) as JsonSchema
    }
    if (!hasName) return placed(json, places) as JsonSchema
    this.components[name] ??= placed(json, places) as JsonSchema
    return { $ref: placeOf(name) }
  }

  #nameOf(schema: z.ZodType): string {
    let name = this.#names.get(schema)
    if (name === undefined) {
      const wanted = typeNameOf(schema).replace(/[^\w.-]/g, '_')
      const taken = new Set(this.#names.values())
      name = wanted
      for (let n = 2; taken.has(name); n++) name = `${wanted}${n}`
      this.#names.set(schema, name)
    }
    return name
  }
}

const ROOT = '#'

function placeOf(name: string): string {
  return `#/components/schemas/${name}`
}

function partOf(name: string, part: string): string {
  return `${name}.${part.replace(/^_+/, '').replace(/[^\w.-]/g, '_')}`
}

/** A step of a JSON pointer. */
function pointerTo(member: string): string {
  return member.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** The same schema, with its references to `places` of their own. */
function placed(schema: unknown, places: ReadonlyMap<string, string>): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  if (Array.isArray(schema)) return schema.map((each) => placed(each, places))
  return Object.fromEntries(
    Object.entries(schema).map(([member, value]) => [
      member,
      member === '$ref' && typeof value === 'string'
        ? (places.get(value) ?? value)
        : placed(value, places),
    ]),
  )
}

function refersTo(schema: unknown, place: string): boolean {
  if (typeof schema !== 'object' || schema === null) return false
  return Object.entries(schema).some(
    ([member, value]) => (member === '$ref' && value === place) || refersTo(value, place),
  )
}

/** JSON Schema of a record. On input unknown fields are refused, and what has a default may be left out. */
function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // What is not set is left out of an answer, whatever its schema says of it.
      if (io === 'output' && zodSchema._zod.def.type === 'object') delete jsonSchema.required
      // Only for the reference's client, which finds it on the operations.
      delete jsonSchema.type_
    },
  }) as JsonSchema
  return json
}

/** What a channel's description says of it beside its schema. */
export function channelDoc(info: ChannelInfo): string | undefined {
  return info.options.doc
}

/** Dotted name of the reference's class for a record, where the schema's metadata has one (`type_`). */
export function referenceTypeOf(schema: z.ZodType): string | undefined {
  const name = schema.meta()?.type_
  return typeof name === 'string' ? name : undefined
}
