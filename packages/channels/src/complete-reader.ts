import { z } from 'zod'
import { isDecided } from './coerce.js'
import { isIsoText } from './mint.js'

/** The record that an input is, or `undefined`: then the struct has to look at it itself. */
export type CompleteReader = (input: Readonly<Record<string, unknown>>) => object | undefined

const readsNone: CompleteReader = () => undefined

/**
 * Reads inputs that need neither completion nor coercion, as records that come from a gateway are: zod generates one
 * function for the whole struct, many times as fast as its schemas one by one. What that refuses may still fit, and only
 * the struct says what is wrong with it. Where zod cannot generate it, or is too old, it reads none.
 */
export function completeReaderOf(
  def: z.core.$ZodObjectDef,
  isTimestamp: (schema: z.core.$ZodType) => boolean,
): CompleteReader {
  // Since zod 4.5.
  const { compileFn, INVALID } = z.core as Partial<Pick<typeof z.core, 'compileFn' | 'INVALID'>>
  if (compileFn === undefined || z.core.globalConfig.jitless === true) return readsNone
  try {
    const shape = Object.fromEntries(
      Object.entries(def.shape).map(([name, field]) => [name, complete(name, field, isTimestamp)]),
    )
    const schema = new z.ZodObject({ ...def, shape, checks: [] })
    const read = compileFn(schema)
    if (!isDecided(schema)) return readsNone
    return (input) => {
      const record = read(input)
      return record === INVALID ? undefined : (record as object)
    }
  } catch {
    // It contains itself, or code may not be generated here.
    return readsNone
  }
}

/** A field of what is complete: nothing is minted for an input that is refused later on. */
function complete(
  name: string,
  field: z.core.$ZodType,
  isTimestamp: (schema: z.core.$ZodType) => boolean,
): z.core.$ZodType {
  if (name !== 'id' && name !== 'timestamp') return field
  const { def } = field._zod as { def: z.core.$ZodTypes['_zod']['def'] }
  const given = def.type === 'default' ? def.innerType : field
  return isTimestamp(given) ? z.string().refine(isIsoText) : given
}
