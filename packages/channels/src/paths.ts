import { escapeStep, stepsOf } from '@gw/protocol'
import { z } from 'zod'

type Schema = z.core.$ZodType
type Def = z.core.$ZodTypes['_zod']['def']

/** Reads one attribute of a record. */
export type Reader = (record: unknown) => unknown

/** What can stand at a dotted path of a record: the schemas without their wrappers; none, when there is no such path. */
export function schemasAt(schema: Schema, path: string): readonly Schema[] {
  // The same schema is taken once: in a recursive union the ways to it double with each step.
  return stepsOf(path).reduce<readonly Schema[]>(
    (schemas, step) => [...new Set(schemas.flatMap((inner) => stepInto(inner, step)))],
    unwrap(schema),
  )
}

/** What to say of a path that is not there, should it be the name of a field as it stands. */
export function dottedName(schema: Schema, name: unknown): string {
  if (typeof name !== 'string') return ''
  const path = escapeStep(name)
  return path === name || schemasAt(schema, path).length === 0
    ? ''
    : `: the path of the field of that name is ${path}`
}

/** Whether all that can stand there is one value, which can be compared: no list, no object. */
export function isComparable(schemas: readonly Schema[]): boolean {
  return schemas.every(({ _zod }) => !COMPOSITE.has((_zod as { def: Def }).def.type))
}

/** Schema of one record of a channel: of a list channel, of its elements. */
export function recordSchemaOf<S extends Schema>(schema: S): Schema {
  const { def } = schema._zod as { def: Def }
  return def.type === 'array' ? def.element : schema
}

/** Reads a dotted path of a record; `undefined` where a part is missing or null. */
export function readerOf(path: string): Reader {
  const [first = '', ...rest] = stepsOf(path)
  if (isInherited(path)) {
    return (record) =>
      [first, ...rest].reduce<unknown>(
        (value, step) =>
          typeof value === 'object' && value !== null && Object.hasOwn(value, step)
            ? (value as Fields)[step]
            : undefined,
        record,
      )
  }
  if (rest.length === 0) return (record) => (record as Fields | null | undefined)?.[first]
  return (record) => {
    let value = (record as Fields | null | undefined)?.[first]
    for (const step of rest) value = (value as Fields | null | undefined)?.[step]
    return value
  }
}

/** Whether null may stand at a path, on which `[]` steps into a list. */
export function acceptsNullAt(schema: Schema, path: readonly string[]): boolean {
  const schemas = path.reduce<readonly Schema[]>(
    (outer, step) =>
      outer.flatMap((inner) => unwrap(inner)).flatMap((inner) => fieldOf(inner, step)),
    [schema],
  )
  return schemas.some((field) => z.safeParse(field, null).success)
}

/** Whether a step of a path names what every object has, so that its own fields have to be told from that. */
export function isInherited(path: string): boolean {
  return stepsOf(path).some((step) => step in Object.prototype)
}

interface Fields {
  readonly [name: string]: unknown
}

const COMPOSITE = new Set(['array', 'object', 'record', 'tuple'])

function stepInto(schema: Schema, step: string): readonly Schema[] {
  return step === '[]' ? [] : fieldOf(schema, step).flatMap((inner) => unwrap(inner))
}

/** What stands at one step into a schema without wrappers. */
function fieldOf(schema: Schema, step: string): readonly Schema[] {
  const { def } = schema._zod as { def: Def }
  switch (def.type) {
    case 'array':
      return step === '[]' ? [def.element] : []
    case 'tuple':
      return step === '[]' ? [...def.items, ...(def.rest ? [def.rest] : [])] : []
    case 'object': {
      if (Object.hasOwn(def.shape, step)) return [def.shape[step] as Schema]
      const rest = def.catchall
      return rest && rest._zod.def.type !== 'never' ? [rest] : []
    }
    case 'record':
      return [def.valueType]
    case 'any':
    case 'unknown':
      return [schema]
    default:
      return []
  }
}

function unwrap(schema: Schema, seen: Set<Schema> = new Set()): readonly Schema[] {
  if (seen.has(schema)) return []
  seen.add(schema)
  const { def } = schema._zod as { def: Def }
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return unwrap(def.innerType, seen)
    case 'pipe':
      return unwrap(def.out, seen)
    case 'lazy':
      return unwrap(def.getter(), seen)
    case 'union':
      return def.options.flatMap((option) => unwrap(option, seen))
    case 'intersection':
      return [...unwrap(def.left, seen), ...unwrap(def.right, seen)]
    default:
      return [schema]
  }
}
