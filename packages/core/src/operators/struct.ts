import type { Edge } from '../graph.js'
import { node } from '../node.js'
import type { Input } from '../series.js'

/** Ticks the field of each object that ticks; an object without it, or with it `undefined`, ticks nothing. */
export function structField<T extends object, K extends keyof T>(
  x: Edge<T>,
  field: K,
): Edge<Exclude<T[K], undefined>> {
  return node('structField', { x }, ({ x }) => () => {
    return x.value[field] as Exclude<T[K], undefined> | undefined
  })
}

/** An edge of that field for each element of a basket, see {@link structField}. */
export function getBasketField<T extends object, K extends keyof T, N extends string>(
  basket: { readonly [P in N]: Edge<T> },
  field: K,
): { readonly [P in N]: Edge<Exclude<T[K], undefined>> } {
  const entries = Object.entries<Edge<T>>(basket).map(([key, x]) => [key, structField(x, field)])
  return Object.fromEntries(entries)
}

/** An edge for each field. */
export type FieldEdges<T> = { readonly [K in keyof T]: Edge<T[K]> }

/** Options of {@link structFromTs}. */
export interface StructFromTsOptions {
  /** When to tick. @defaultValue whenever a field ticks */
  readonly trigger?: Edge<unknown>
}

/**
 * Ticks an object of those fields that are valid: on each tick of a field, or, with a trigger, on its ticks only; then
 * it may be an empty one.
 */
export function structFromTs<T extends object>(
  fields: FieldEdges<T>,
  options: StructFromTsOptions = {},
): Edge<Partial<T>> {
  const { trigger } = options
  const values: { readonly [key: string]: Edge<unknown> } = fields
  if (trigger === undefined) {
    return node('structFromTs', values, (fields) => () => {
      return objectOf<T>(fields, (field) => field.valid)
    })
  }
  return node('structFromTs', { trigger, values }, ({ values }, context) => {
    for (const field of Object.values(values)) context.makePassive(field)
    return () => objectOf<T>(values, (field) => field.valid)
  })
}

/** Ticks an object of those fields that ticked in the cycle. */
export function structCollectTs<T extends object>(fields: FieldEdges<T>): Edge<Partial<T>> {
  const values: { readonly [key: string]: Edge<unknown> } = fields
  return node('structCollectTs', values, (fields) => () => {
    return objectOf<T>(fields, (field) => field.ticked)
  })
}

function objectOf<T>(
  fields: { readonly [key: string]: Input<unknown> },
  has: (field: Input<unknown>) => boolean,
): Partial<T> {
  const object: { [key: string]: unknown } = {}
  for (const key in fields) {
    const field = fields[key] as Input<unknown>
    if (has(field)) object[key] = field.value
  }
  return object as Partial<T>
}
