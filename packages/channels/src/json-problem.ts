import type { z } from 'zod'
import { oddValuesIn } from './odd-values.js'
import { acceptsNullAt } from './paths.js'

type Def = z.core.$ZodTypes['_zod']['def']

const looked = new WeakMap<z.core.$ZodType, boolean>()

/**
 * What JSON cannot carry in a value that a schema has let in, and where; `undefined` when there is nothing. For modules that take records from
 * outside: such a record is refused at the border, as it would stop the run. Costs nothing where the schema looks at all that it lets in.
 */
export function jsonProblemOf(schema: z.ZodType, value: unknown): string | undefined {
  let isLookedAt = looked.get(schema)
  if (isLookedAt === undefined) {
    isLookedAt = looksAtAll(schema, new Set())
    looked.set(schema, isLookedAt)
  }
  if (isLookedAt) return undefined
  const odd = oddValuesIn(value).find(
    ({ path, isNumber }) => !(isNumber && acceptsNullAt(schema, path.map(stepOf))),
  )
  if (odd === undefined) return undefined
  return `${odd.path.join('.')} JSON cannot carry ${odd.what}`.trim()
}

export function stepOf(step: string | number): string {
  return typeof step === 'number' ? '[]' : step
}

/** Whether a schema looks at everything in a value, and so at how deep it is. */
function looksAtAll(schema: z.core.$ZodType, above: ReadonlySet<z.core.$ZodType>): boolean {
  // One that is inside itself nests without end.
  if (above.has(schema)) return false
  const here = new Set([...above, schema])
  const all = (...inner: readonly (z.core.$ZodType | null | undefined)[]): boolean =>
    inner.every((each) => !each || looksAtAll(each, here))
  const { def } = schema._zod as { def: Def }
  switch (def.type) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'enum':
    case 'literal':
    case 'template_literal':
    case 'null':
    case 'never':
      return true
    case 'optional':
    case 'nonoptional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'catch':
      return all(def.innerType)
    case 'array':
      return all(def.element)
    case 'record':
      return all(def.valueType)
    case 'tuple':
      return all(...def.items, def.rest)
    case 'object':
      return all(...Object.values(def.shape), def.catchall)
    case 'union':
      return all(...def.options)
    case 'intersection':
      return all(def.left, def.right)
    case 'pipe':
      return all(def.out)
    default:
      return false
  }
}
