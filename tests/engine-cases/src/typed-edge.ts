import type { Edge } from '@gw/core'
import type { SpanText } from './case.js'

/**
 * An edge with the type that the reference gives it. TypeScript has one kind of number, the reference two, and some of
 * its rules tell them apart.
 */
export interface TypedEdge {
  readonly edge: Edge<unknown>
  readonly type: string
}

/** What an operator gets: its edges in order, those by name, and plain parameters. */
export interface Call {
  readonly inputs: readonly Argument[]
  readonly named: { readonly [name: string]: TypedEdge }
  readonly params: { readonly [name: string]: unknown }
}

export type Argument = TypedEdge | readonly TypedEdge[] | { readonly [key: string]: TypedEdge }

/** What an operator makes: one edge, or several by the names of its outputs. */
export type Result = TypedEdge | { readonly [output: string]: TypedEdge } | undefined

/** The `i`th input, an edge of one of the types; without types, of any. */
export function edgeAt<T>(call: Call, i: number, ...types: readonly string[]): Edge<T> {
  return typedAt(call, i, ...types).edge as Edge<T>
}

export function typedAt(call: Call, i: number, ...types: readonly string[]): TypedEdge {
  const argument = call.inputs[i]
  if (!isTyped(argument)) throw new TypeError(`input ${i} is not an edge`)
  if (types.length > 0 && !types.includes(argument.type)) {
    throw new TypeError(`input ${i}: cannot validate ts[${argument.type}] as ts[${types}]`)
  }
  return argument
}

export function isTyped(argument: unknown): argument is TypedEdge {
  return typeof (argument as TypedEdge | undefined)?.type === 'string'
}

/** The elements of a basket, by place or by key. */
export function elementsAt(call: Call, i: number): { readonly [key: string]: TypedEdge } {
  const argument = call.inputs[i]
  if (argument === undefined || isTyped(argument)) throw new TypeError(`input ${i} is no basket`)
  return { ...argument } as { readonly [key: string]: TypedEdge }
}

export function isDuration(span: unknown): span is { readonly ms: number } {
  return typeof span === 'object' && span !== null && 'ms' in span
}

/** A parameter that is given as ticks or as a duration. */
export function spanParam(call: Call, name: string): SpanText | undefined {
  return (call.params[name] ?? undefined) as SpanText | undefined
}
