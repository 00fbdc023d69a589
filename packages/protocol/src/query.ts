/** What a record is compared with. Times are ISO 8601 texts. */
export type Scalar = string | number | boolean | null

/** How two values are compared: null before everything, texts by code point, no lossy conversions. */
export type ComparisonOperator = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'

/** A condition on a record. Paths are dotted: `price.currency`; a dot of a name has a `\` in front: `http\.method`. */
export type Filter =
  | { readonly and: readonly Filter[] }
  | { readonly or: readonly Filter[] }
  | { readonly not: Filter }
  | { readonly path: string; readonly op: ComparisonOperator; readonly value: Scalar }
  | { readonly path: string; readonly op: ComparisonOperator; readonly other: string }
  | { readonly path: string; readonly op: 'in'; readonly values: readonly Scalar[] }

/** One key of a sort order. */
export interface SortKey {
  readonly path: string
  readonly order: 'asc' | 'desc'
}

/** The tree that the engine of queries runs; all spellings of a query become one. */
export interface Query {
  readonly where?: Filter
  readonly sort?: readonly SortKey[]
  readonly limit?: number
  readonly offset?: number
  /** Paths to keep; all when absent. */
  readonly select?: readonly string[]
  /** Answer the number of records in place of them. */
  readonly count?: boolean
}

/** Bounds of a query. */
export const QUERY_LIMITS = { depth: 8, terms: 64, limit: 100_000 } as const

type Steps = [never, 0, 1, 2, 3]

/** A name as it stands in a path: with a `\` in front of its dots. A name with a `\` is reached by paths that are not typed. */
export type Step<Name extends string> = Name extends `${infer Head}.${infer Rest}`
  ? `${Head}\\.${Step<Rest>}`
  : Name extends `${string}\\${string}`
    ? never
    : Name

/** The first name of a path, and the path behind it; `undefined` when there is none. */
type FirstStep<
  P extends string,
  Before extends string = '',
> = P extends `${infer Head}.${infer Rest}`
  ? Head extends `${infer Escaped}\\`
    ? FirstStep<Rest, `${Before}${Escaped}.`>
    : [`${Before}${Head}`, Rest]
  : [`${Before}${P}`, undefined]

/** Dotted paths into a record, to a depth of four. */
export type Path<T, Depth extends number = 4> = Depth extends 0
  ? never
  : T extends readonly unknown[]
    ? never
    : T extends object
      ? {
          [K in keyof T & string]:
            | Step<K>
            | (NonNullable<T[K]> extends object
                ? `${Step<K>}.${Path<NonNullable<T[K]>, Steps[Depth]>}`
                : never)
        }[keyof T & string]
      : never

/** Type at a dotted path; `undefined` where nothing may be there. */
export type PathValue<T, P extends string> = T extends unknown
  ? P extends `${string}.${string}`
    ? FirstStep<P> extends [infer Head extends keyof T, infer Rest]
      ? Rest extends string
        ?
            | PathValue<NonNullable<T[Head]>, Rest>
            | (null extends T[Head] ? undefined : Missing<T[Head]>)
        : T[Head]
      : undefined
    : P extends keyof T
      ? T[P]
      : undefined
  : never

type Missing<V> = undefined extends V ? undefined : never

/** What a value can be compared with: nothing, for objects and lists. What is not there counts as null. */
type Comparable<V> = unknown extends V
  ? Scalar
  : Extract<V, Scalar> | ([Extract<V, Scalar>] extends [never] ? never : Nullable<V>)

type Nullable<V> = undefined extends V ? null : never

type Basic<V> = V extends string
  ? string
  : V extends number
    ? number
    : V extends boolean
      ? boolean
      : never

/** Paths of a record whose values are texts, numbers or booleans, as `B` says. */
type PathTo<T, B> = {
  [P in Path<T>]: B & Basic<Comparable<PathValue<T, P>>> extends never ? never : P
}[Path<T>]

/** What is on the right of an operator: a value, or the value at another path of the same record. */
type Operand<V, T> = V | { readonly path: PathTo<T, Basic<V>> }

/** What the values `V` of a path may be compared with, in the typed spelling; paths are those of records of type `T`. */
export type Condition<V extends Scalar, T = never> =
  | V
  | ({ readonly [Operator in ComparisonOperator]?: Operand<V, T> } & {
      readonly in?: readonly V[]
    })

/**
 * The typed spelling of a filter: conditions by path, all of which must hold; `or` and `not` nest.
 * @example `{ symbol: 'AAPL', 'price.amount': { gt: 10, le: { path: 'limit' } }, not: { side: 'sell' } }`
 */
export type Where<T> = {
  readonly [P in Path<T> as [Comparable<PathValue<T, P>>] extends [never] ? never : P]?: Condition<
    Comparable<PathValue<T, P>>,
    T
  >
} & {
  readonly or?: readonly Where<T>[]
  readonly and?: readonly Where<T>[]
  readonly not?: Where<T>
}

/** The typed spelling of a query on records of type `T`. A `-` in front of a sort path means descending. */
export interface TypedQuery<T, Select extends Path<T> = Path<T>> {
  readonly where?: Where<T>
  readonly sort?: Path<T> | `-${Path<T>}` | readonly (Path<T> | `-${Path<T>}`)[]
  readonly limit?: number
  readonly offset?: number
  readonly select?: readonly Select[]
}

/**
 * The tree of a filter in the typed spelling. A field named `or`, `and` or `not` is reached by a tree, not by this spelling.
 */
export function filterOf(where: object): Filter {
  const terms: Filter[] = []
  for (const [path, condition] of Object.entries(where) as [string, unknown][]) {
    if (condition === undefined) continue
    if (path === 'or' || path === 'and') {
      terms.push({ [path]: (condition as object[]).map(filterOf) } as never)
    } else if (path === 'not') terms.push({ not: filterOf(condition as object) })
    else if (condition === null || typeof condition !== 'object') {
      terms.push({ path, op: 'eq', value: condition as Scalar })
    } else {
      for (const [op, value] of Object.entries(condition) as [string, unknown][]) {
        if (value === undefined) continue
        const { path: other } = Object(value) as { readonly path?: unknown }
        const operand =
          op === 'in' ? { values: value } : typeof other === 'string' ? { other } : { value }
        terms.push({ path, op, ...operand } as Filter)
      }
    }
  }
  const [only] = terms
  return terms.length === 1 && only !== undefined ? only : { and: terms }
}

/** The tree of a query in the typed spelling. */
export function queryOf(typed: {
  readonly where?: object
  readonly sort?: string | readonly string[]
  readonly limit?: number
  readonly offset?: number
  readonly select?: readonly string[]
}): Query {
  const { where, sort, limit, offset, select } = typed
  return {
    ...(where === undefined ? {} : { where: filterOf(where) }),
    ...(sort === undefined
      ? {}
      : { sort: (typeof sort === 'string' ? [sort] : sort).map(sortKey) }),
    ...(limit === undefined ? {} : { limit }),
    ...(offset === undefined ? {} : { offset }),
    ...(select === undefined ? {} : { select }),
  }
}

function sortKey(spelling: string): SortKey {
  return spelling.startsWith('-')
    ? { path: spelling.slice(1), order: 'desc' }
    : { path: spelling, order: 'asc' }
}
