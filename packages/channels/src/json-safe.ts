import type { z } from 'zod'
import { oddValuesIn } from './odd-values.js'
import { acceptsNullAt } from './paths.js'
import { isFilledIn } from './struct.js'

type Def = z.core.$ZodTypes['_zod']['def']

/** Something in a schema that JSON cannot carry. */
export interface NotJson {
  /** Path of the field. */
  readonly path: string
  /** What is there. */
  readonly type: string
  /** Of a default: what it is. */
  readonly value?: string
}

/** What the function of a `catch` is called with. */
const NOTHING_CAUGHT = { value: undefined, issues: [], error: { issues: [] }, input: undefined }

const REFUSED = new Set([
  'bigint',
  'custom',
  'date',
  'file',
  'function',
  'map',
  'nan',
  'promise',
  'set',
  'symbol',
  'transform',
  'undefined',
  'void',
])

/** All that JSON cannot carry in what a schema gives out: what is in the graph is what goes out. */
export function notJson(schema: z.core.$ZodType): readonly NotJson[] {
  const found: NotJson[] = []
  visit(schema, '', false, found, new Set())
  return found
}

/** What a schema gives out where nothing, or nothing good, is given. */
function checkDefault(
  schema: z.core.$ZodType,
  inner: z.core.$ZodType,
  path: string,
  value: () => unknown,
  found: NotJson[],
): void {
  if (isFilledIn(schema)) return
  let given: unknown
  try {
    given = value()
  } catch {
    // A function may not be ready to be called before the run.
    return
  }
  if (given === undefined) return
  for (const odd of oddValuesIn(given)) {
    const steps = odd.path.map((step) => (typeof step === 'number' ? '[]' : step))
    if (odd.isNumber && acceptsNullAt(inner, steps)) continue
    const whole = [path, ...steps].filter((step) => step !== '').join('.')
    found.push({ path: whole, type: 'default', value: odd.what })
  }
}

function visit(
  schema: z.core.$ZodType,
  path: string,
  mayBeAbsent: boolean,
  found: NotJson[],
  seen: Set<z.core.$ZodType>,
): void {
  const { def } = schema._zod as { def: Def }
  // Of an object, a field may be left out; nothing else may.
  if (def.type === 'optional' && !mayBeAbsent) {
    found.push({ path, type: 'undefined' })
    return
  }
  if (seen.has(schema)) return
  seen.add(schema)
  const go = (
    inner: z.core.$ZodType | undefined | null,
    step = '',
    innerMayBeAbsent = mayBeAbsent && step === '',
  ): void => {
    if (!inner) return
    const innerPath = step === '' ? path : path === '' ? step : `${path}.${step}`
    visit(inner, innerPath, innerMayBeAbsent, found, seen)
  }
  if (REFUSED.has(def.type)) {
    found.push({ path, type: def.type })
    return
  }
  switch (def.type) {
    case 'default':
      checkDefault(schema, def.innerType, path, () => def.defaultValue, found)
      return go(def.innerType, '', true)
    case 'nonoptional':
      return go(def.innerType, '', true)
    case 'optional':
    case 'nullable':
    case 'prefault':
    case 'readonly':
      return go(def.innerType)
    case 'catch':
      checkDefault(schema, def.innerType, path, () => def.catchValue(NOTHING_CAUGHT), found)
      return go(def.innerType)
    case 'array':
      return go(def.element, '[]')
    case 'record':
      return go(def.valueType, '*', true)
    case 'tuple':
      def.items.forEach((item, i) => {
        go(item, String(i))
      })
      return go(def.rest, '[]')
    case 'object':
      for (const [key, field] of Object.entries(def.shape)) go(field, key, true)
      return go(def.catchall?._zod.def.type === 'never' ? undefined : def.catchall, '*')
    case 'union':
      for (const option of def.options) go(option)
      return
    case 'intersection':
      go(def.left)
      return go(def.right)
    case 'lazy':
      return go(def.getter())
    case 'pipe':
      return go(def.out)
    case 'literal':
      for (const value of def.values) {
        if (typeof value === 'bigint' || value === undefined)
          found.push({ path, type: typeof value })
        else if (typeof value === 'number' && !Number.isFinite(value))
          found.push({ path, type: String(value) })
      }
      return
  }
}
