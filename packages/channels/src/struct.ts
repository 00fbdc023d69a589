import { type NodeContext, timestampOf } from '@gw/core'
import { z } from 'zod'
import { type Coercion, fieldCoercion, isPlain } from './coerce.js'
import { type CompleteReader, completeReaderOf } from './complete-reader.js'
import { ChannelsError } from './errors.js'
import { isIsoText, isoText, mintFor, presentMint } from './mint.js'

/** The two fields that every struct has, first in its records. */
export interface StructFields {
  /** Decimal digits of fixed width; minted when absent. */
  readonly id: z.ZodDefault<z.ZodString>
  /** ISO 8601 in UTC with six digits of a second; the time of entry when absent. */
  readonly timestamp: z.ZodDefault<z.ZodString>
}

/** Options of {@link struct}. */
export interface StructOptions {
  /** Whether `lookup` finds its records by id; structs that extend it take this over. @defaultValue true */
  readonly lookup?: boolean
}

/** What {@link StructMembers.make} takes: the record without what is filled in. */
export type MakeInput<Shape extends z.ZodRawShape> = MakeFields<
  z.output<z.ZodObject<StructFields & Shape>>,
  z.input<z.ZodObject<StructFields & Shape>>
>

type MakeFields<Out, In> = Pick<
  Out,
  { [K in keyof Out & keyof In]: undefined extends In[K] ? never : K }[keyof Out & keyof In]
> &
  Partial<Out>

/** What a struct has beyond a zod object. */
export interface StructMembers<Shape extends z.ZodRawShape> {
  readonly structName: string
  /** Whether `lookup` finds its records. */
  readonly isLookedUp: boolean
  /**
   * Makes a record in a node: a new object with the fields in order, defaults filled in, a new id, and the engine's time.
   * Nothing is validated, as inside the graph the types vouch; fields that the struct does not have are left out.
   * @example `Order.make(context, { symbol: 'AAPL', side: 'buy', quantity: 1 })`
   */
  make(context: NodeContext, input: MakeInput<Shape>): z.output<z.ZodObject<StructFields & Shape>>
  /** A struct with these fields too; refinements, options and the fields of this one are taken over. */
  extend<More extends z.ZodRawShape>(name: string, shape: More): Struct<z.util.Extend<Shape, More>>
}

/**
 * A named record schema: a strict zod object with `id` and `timestamp`. Usable wherever a zod schema is.
 * Refinements see the whole record: `Order.refine((order) => order.stop < order.limit)`.
 */
export type Struct<Shape extends z.ZodRawShape = z.ZodRawShape> = StructMembers<Shape> &
  z.ZodObject<StructFields & Shape, z.core.$strict>

interface StructDef extends z.core.$ZodObjectDef {
  readonly structName: string
  readonly isLookedUp: boolean
}

/**
 * Declares a record: a strict object whose `id` and `timestamp` are filled in when absent. Inputs are coerced as the
 * reference does: `"12"` and `12.0` are integers, the number 7 is the id `"7"`, a timestamp of another zone becomes UTC.
 * @example `const Order = struct('Order', { symbol: z.string(), quantity: z.number().positive() })`
 * @throws ChannelsError `INVALID_CONTRACT` when the name is empty or a field is named `id`, `timestamp` or `__proto__`.
 */
export function struct<Shape extends z.ZodRawShape>(
  name: string,
  shape: Shape,
  options: StructOptions = {},
): Struct<Shape> {
  checkShape(name, shape)
  return new StructSchema({
    type: 'object',
    // Getters stay getters: a struct that contains itself is not there yet.
    shape: Object.defineProperties(
      structFields(),
      Object.getOwnPropertyDescriptors(shape),
    ) as never,
    catchall: z.never(),
    structName: name,
    isLookedUp: options.lookup ?? true,
  }) as unknown as Struct<Shape>
}

/** @throws ChannelsError `INVALID_CONTRACT`. */
function checkShape(name: unknown, shape: unknown): void {
  const refuse = (problem: string): never => {
    throw new ChannelsError('INVALID_CONTRACT', problem)
  }
  if (typeof name !== 'string' || name === '') refuse('a struct has a name')
  if (typeof shape !== 'object' || shape === null) {
    refuse(`struct ${name} is given its fields as an object of zod schemas, not ${String(shape)}`)
  }
  for (const [field, { value, get }] of Object.entries(
    Object.getOwnPropertyDescriptors(shape as z.ZodRawShape),
  )) {
    if (field === 'id' || field === 'timestamp' || field === '__proto__') {
      refuse(
        `struct ${name} declares the field "${field}", which ${field === '__proto__' ? 'no' : 'every'} struct has: leave it out`,
      )
    }
    if (get === undefined && !((value as unknown) instanceof z.ZodType)) {
      refuse(`the field "${field}" of struct ${name} is no zod schema`)
    }
  }
}

/** Whether a schema is a struct, refined or not. */
export function isStruct(schema: unknown): schema is Struct {
  return schema instanceof StructSchema
}

/** The structs that the records of a channel's schema may be. */
export function structsOf(schema: unknown): readonly Struct[] {
  if (isStruct(schema)) return [schema]
  const { def } = (schema as z.core.$ZodType)._zod as { def: z.core.$ZodTypes['_zod']['def'] }
  if (def.type === 'array') return structsOf(def.element)
  return def.type === 'union' ? def.options.flatMap(structsOf) : []
}

type AnyStruct = z.core.$ZodType & {
  _zod: z.core.$ZodObjectInternals & { def: StructDef }
  structName: string
  isLookedUp: boolean
  make: (context: NodeContext, input: object) => object
  extend: (first: string | z.ZodRawShape, second?: z.ZodRawShape) => AnyStruct
}

/** A zod class, so that what zod derives from a struct (`refine`, `meta`, `clone`) is a struct too. */
const StructSchema: z.core.$constructor<AnyStruct, StructDef> = z.core.$constructor<
  AnyStruct,
  StructDef
>('GwStruct', (schema, def) => {
  z.ZodObject.init(schema as never, def as never)
  const { parse } = schema._zod
  let coercion: Coercion | undefined | null = null
  let read: CompleteReader | undefined
  const hasChecks = def.checks !== undefined && def.checks.length > 0
  schema._zod.parse = (payload, context) => {
    if (context.direction !== 'backward' && isPlain(payload.value)) {
      if (context.jitless !== true && context.async !== true && context.skipChecks !== true) {
        read ??= completeReaderOf(schema._zod.def, isTimestampSchema)
        const record = read(payload.value)
        if (record !== undefined) {
          payload.value = record
          return payload
        }
      }
      if (coercion === null) coercion = fieldCoercion(schema._zod.def.shape, isStruct)
      const own = coerceOwn(payload.value)
      payload.value = coercion === undefined ? own : coercion(own)
    }
    return parse(payload, context)
  }
  const classic = schema as unknown as z.ZodType
  const { safeParse } = classic
  classic.safeParse = (input, context) => {
    // As `parse` does, without what it takes to get there: of most records nothing else is needed.
    if (context === undefined && !hasChecks && isPlain(input)) {
      read ??= completeReaderOf(schema._zod.def, isTimestampSchema)
      const data = read(input)
      if (data !== undefined) return { success: true, data }
    }
    return safeParse(input, context)
  }
  schema.structName = def.structName
  schema.isLookedUp = def.isLookedUp
  let maker: Maker | undefined
  schema.make = (context, input) => {
    maker ??= makerOf(schema._zod.def.shape)
    return maker(
      mintFor(context.graph).id(),
      isoText(context.now),
      input as Readonly<Record<string, unknown>>,
    )
  }
  schema.extend = (first, second) => {
    const [name, shape] =
      typeof first === 'string' ? [first, second ?? {}] : [schema.structName, first]
    checkShape(name, shape)
    return new StructSchema(
      z.core.util.mergeDefs(extended(schema, name, shape)._zod.def as never, {
        structName: name,
      }) as unknown as StructDef,
    )
  }
})

function extended(schema: AnyStruct, name: string, shape: z.ZodRawShape): AnyStruct {
  try {
    return z.core.util.extend(schema as never, shape as never) as unknown as AnyStruct
  } catch (cause) {
    throw new ChannelsError(
      'INVALID_CONTRACT',
      `struct ${name} cannot extend ${schema.structName}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
}

/** The reference takes a number as an id, and null for "not given". */
function coerceOwn(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { id, timestamp } = record
  const hasOddId = id === null || typeof id === 'number'
  const hasOddTimestamp = timestamp === null || typeof timestamp === 'number'
  if (!hasOddId && !hasOddTimestamp) return record
  const copy = { ...record }
  if (id === null) delete copy.id
  else if (typeof id === 'number' && Number.isSafeInteger(id)) copy.id = String(id)
  if (timestamp === null) delete copy.timestamp
  return copy
}

const timestampSchemas = new WeakSet<z.core.$ZodType>()

/** Whether a schema is that of a struct's timestamp: all of its values are spelled alike, so their texts can be compared. */
export function isTimestampSchema(schema: z.core.$ZodType): boolean {
  return timestampSchemas.has(schema)
}

const filledIn = new WeakSet<z.core.$ZodType>()

/** Whether a schema is that of a struct's id or timestamp, whose defaults are those of the run. */
export function isFilledIn(schema: z.core.$ZodType): boolean {
  return filledIn.has(schema)
}

/** New schemas for each struct: what zod keeps about a schema is not to be shared. */
function structFields(): StructFields {
  const id = z
    .string()
    .min(1)
    .default(() => presentMint().id())
  const text = z.string().check((payload) => {
    if (isIsoText(payload.value)) return
    try {
      payload.value = isoText(timestampOf(payload.value))
    } catch {
      payload.issues.push({
        code: 'invalid_format',
        format: 'datetime',
        input: payload.value,
        message: 'Invalid ISO datetime',
      })
    }
  })
  timestampSchemas.add(text)
  const timestamp = text.default(() => presentMint().timestamp())
  for (const own of [id, timestamp]) filledIn.add(own)
  // The default of a function would be called, and an id of nobody's put into the API's description.
  id._zod.toJSONSchema = () => ({ type: 'string' })
  timestamp._zod.toJSONSchema = () => ({ type: 'string', format: 'date-time' })
  return { id, timestamp }
}

type Maker = (id: string, timestamp: string, input: Readonly<Record<string, unknown>>) => object

/**
 * Code for one shape is four times as fast as a loop over its fields, and makes records that all have the same layout;
 * where code cannot be generated (a page's security policy), the loop does the same.
 */
function makerOf(shape: z.core.$ZodShape): Maker {
  const fields = Object.entries(shape).filter(([key]) => key !== 'id' && key !== 'timestamp')
  const fill = new Map<string, () => unknown>()
  const optional = new Set<string>()
  for (const [key, field] of fields) {
    const { def } = field._zod as { def: z.core.$ZodTypes['_zod']['def'] }
    if (def.type === 'default') fill.set(key, () => def.defaultValue)
    else if (def.type === 'prefault') fill.set(key, () => z.parse(field, undefined))
    else if (field._zod.optin !== undefined) optional.add(key)
  }
  const keys = fields.map(([key]) => key)
  return z.core.util.allowsEval.value
    ? generatedMaker(keys, fill, optional)
    : loopingMaker(keys, fill, optional)
}

function loopingMaker(
  keys: readonly string[],
  fill: ReadonlyMap<string, () => unknown>,
  optional: ReadonlySet<string>,
): Maker {
  return (id, timestamp, input) => {
    const record: Record<string, unknown> = {
      id: input.id ?? id,
      timestamp: input.timestamp ?? timestamp,
    }
    for (const key of keys) {
      const value = input[key] === undefined ? fill.get(key)?.() : input[key]
      if (value !== undefined || !optional.has(key)) record[key] = value
    }
    return record
  }
}

function generatedMaker(
  keys: readonly string[],
  fill: ReadonlyMap<string, () => unknown>,
  optional: ReadonlySet<string>,
): Maker {
  const fills: (() => unknown)[] = []
  const filledValue = (key: string): string => {
    const value = `input[${JSON.stringify(key)}]`
    const filler = fill.get(key)
    if (filler === undefined) return value
    fills.push(filler)
    return `${value} === undefined ? fills[${fills.length - 1}]() : ${value}`
  }
  const firstOptional = keys.findIndex((key) => optional.has(key))
  const literal = firstOptional === -1 ? keys : keys.slice(0, firstOptional)
  const rest = keys.slice(literal.length)
  const lines = [
    'return (id, timestamp, input) => {',
    '  const record = { id: input.id ?? id, timestamp: input.timestamp ?? timestamp,',
    ...literal.map((key) => `    ${JSON.stringify(key)}: ${filledValue(key)},`),
    '  }',
    ...rest.map((key) => {
      const assign = `record[${JSON.stringify(key)}] = ${filledValue(key)}`
      return optional.has(key)
        ? `  if (input[${JSON.stringify(key)}] !== undefined) ${assign}`
        : `  ${assign}`
    }),
    '  return record',
    '}',
  ]
  return new Function('fills', lines.join('\n'))(fills) as Maker
}
