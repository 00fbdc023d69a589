import type { Path, Step } from '@gw/protocol'

/** What is left of a record when only some paths are selected; all of it when none are. */
export type Projection<T, Select extends string> = [Select] extends [never] ? T : Pruned<T, Select>

type Pruned<T, Select extends string> = T extends readonly unknown[]
  ? T
  : T extends object
    ? {
        [K in keyof T as K extends string
          ? IsKept<K, Select> extends true
            ? K
            : never
          : never]: K extends string
          ? Step<K> extends Select
            ? T[K]
            : Pruned<T[K], Tail<Select, K>>
          : never
      }
    : T

type IsKept<Name extends string, Select extends string> =
  Step<Name> extends Select ? true : [Tail<Select, Name>] extends [never] ? false : true

/** The paths that lead on from a name. */
type Tail<P extends string, Name extends string> = P extends `${Step<Name>}.${infer Rest}`
  ? Rest
  : never

/** What ticks when only some paths of a record are selected: of a list, in each of its elements. */
export type ProjectedValue<Value, Select extends string> = [Select] extends [never]
  ? Value
  : Value extends readonly (infer Element)[]
    ? Pruned<Element, Select>[]
    : Pruned<Value, Select>

/** What a subscription brings at once: with mode `burst` all records that have gathered. */
export type Delivered<Value, Select extends string, Mode> = Mode extends 'burst'
  ? Projection<ElementOf<Value>, Select>[]
  : ProjectedValue<Value, Select>

/** The record of what ticks: of a list, its element. */
export type ElementOf<Value> = Value extends readonly (infer Element)[] ? Element : Value

/** Paths of the records of what ticks. */
export type PathOf<Value> = Path<ElementOf<Value>>
