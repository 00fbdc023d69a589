import type { z } from 'zod'

/** Turns a raw input into the form that a schema takes; hands anything else through for the schema to refuse. */
export type Coercion = (value: unknown) => unknown

const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/

/**
 * How inputs for a schema are coerced: the decimal spelling of a number where a number is due, `"true"`, `"false"`, 0 and 1
 * where a boolean is due, in lists, tuples, maps and nested objects too. What has nothing to coerce has no coercion. Inputs are
 * copied before they are changed.
 */
function coercionOf(
  schema: z.core.$ZodType,
  isOwn: (schema: unknown) => boolean,
): Coercion | undefined {
  const { def } = schema._zod as { def: z.core.$ZodTypes['_zod']['def'] }
  switch (def.type) {
    case 'number':
      return (value) => (typeof value === 'string' && NUMBER.test(value) ? Number(value) : value)
    case 'boolean':
      return booleanOf
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return coercionOf(def.innerType, isOwn)
    case 'array': {
      const element = coercionOf(def.element, isOwn)
      return element && ((value) => (Array.isArray(value) ? coerceList(value, element) : value))
    }
    case 'tuple': {
      const items = def.items.map((item) => coercionOf(item, isOwn))
      const rest = def.rest === null ? undefined : coercionOf(def.rest, isOwn)
      if (rest === undefined && items.every((item) => item === undefined)) return undefined
      const at = (i: number): Coercion | undefined => (i < items.length ? items[i] : rest)
      return (value) =>
        Array.isArray(value) ? value.map((one: unknown, i) => at(i)?.(one) ?? one) : value
    }
    case 'record': {
      const element = coercionOf(def.valueType, isOwn)
      return element && ((value) => (isPlain(value) ? coerceFields(value, () => element) : value))
    }
    case 'object': {
      // A struct coerces its own input, wherever it stands.
      if (isOwn(schema)) return undefined
      return objectCoercion(schema, def.shape, isOwn)
    }
    case 'lazy': {
      let coercion: Coercion | undefined | null = null
      return (value) => {
        if (coercion === null) coercion = coercionOf(def.getter(), isOwn)
        return coercion === undefined ? value : coercion(value)
      }
    }
    default:
      return undefined
  }
}

/** What has nothing inside. */
const LEAVES: ReadonlySet<string> = new Set([
  'any',
  'bigint',
  'boolean',
  'custom',
  'date',
  'enum',
  'literal',
  'null',
  'number',
  'string',
  'template_literal',
  'undefined',
  'unknown',
])

/**
 * Whether what a schema takes without coercion, it takes the same with it. Not so where coercion comes before a choice: of a
 * union between structs, of `catch` between the input and its replacement, of zod's own `coerce`. Ends only for a schema
 * that does not contain itself.
 */
export function isDecided(schema: z.core.$ZodType): boolean {
  const { def } = schema._zod as { def: z.core.$ZodTypes['_zod']['def'] }
  if (LEAVES.has(def.type)) return !('coerce' in def && def.coerce === true)
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'nonoptional':
    case 'readonly':
      return isDecided(def.innerType)
    case 'array':
      return isDecided(def.element)
    case 'record':
      return isDecided(def.keyType) && isDecided(def.valueType)
    case 'object':
      return Object.values(def.shape).every(isDecided)
    case 'union':
      return def.options.every((option) => LEAVES.has(option._zod.def.type) && isDecided(option))
    default:
      return false
  }
}

/** Of objects; one that contains itself meets its own, which is still being made. */
const objectCoercions = new WeakMap<z.core.$ZodType, { coercion: Coercion | undefined | null }>()

function objectCoercion(
  schema: z.core.$ZodType,
  shape: z.core.$ZodShape,
  isOwn: (schema: unknown) => boolean,
): Coercion | undefined {
  const known = objectCoercions.get(schema)
  if (known === undefined) {
    const made: { coercion: Coercion | undefined | null } = { coercion: null }
    objectCoercions.set(schema, made)
    made.coercion = fieldCoercion(shape, isOwn)
    return made.coercion
  }
  return known.coercion === null ? (value) => known.coercion?.(value) ?? value : known.coercion
}

/** The coercion of an object with these fields. */
export function fieldCoercion(
  shape: z.core.$ZodShape,
  isOwn: (schema: unknown) => boolean,
): Coercion | undefined {
  const fields = new Map<string, Coercion>()
  for (const [key, field] of Object.entries(shape)) {
    const coercion = coercionOf(field, isOwn)
    if (coercion !== undefined) fields.set(key, coercion)
  }
  if (fields.size === 0) return undefined
  return (value) => (isPlain(value) ? coerceFields(value, (key) => fields.get(key)) : value)
}

function coerceList(list: readonly unknown[], coercion: Coercion): readonly unknown[] {
  let copy: unknown[] | undefined
  for (let i = 0; i < list.length; i++) {
    const coerced = coercion(list[i])
    if (coerced === list[i]) continue
    copy ??= [...list]
    copy[i] = coerced
  }
  return copy ?? list
}

function coerceFields(
  object: Readonly<Record<string, unknown>>,
  coercionFor: (key: string) => Coercion | undefined,
): Readonly<Record<string, unknown>> {
  let copy: Record<string, unknown> | undefined
  for (const key of Object.keys(object)) {
    const value = object[key]
    const coerced = coercionFor(key)?.(value) ?? value
    if (coerced === value) continue
    copy ??= { ...object }
    copy[key] = coerced
  }
  return copy ?? object
}

function booleanOf(value: unknown): unknown {
  if (value === 'true' || value === 1) return true
  if (value === 'false' || value === 0) return false
  return value
}

/** @internal */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
