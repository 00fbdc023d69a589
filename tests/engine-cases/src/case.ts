/** Milliseconds after 2020-01-01T00:00:00Z. */
export type Milliseconds = number

/** A number of ticks, or a duration. */
export type SpanText = number | { readonly ms: number }

/** An edge by its name, a list of edges, or edges by key. */
export type Ref = string | readonly string[] | { readonly [key: string]: string }

export type Source = { readonly id: string; readonly type: string } & (
  | {
      readonly kind: 'curve'
      readonly ticks: readonly (readonly [Milliseconds, unknown])[]
      readonly pushMode?: 'LAST_VALUE' | 'NON_COLLAPSING' | 'BURST'
      readonly relative?: true
    }
  | { readonly kind: 'timer'; readonly everyMs: number; readonly value: unknown }
  | { readonly kind: 'const'; readonly value: unknown; readonly delayMs?: number }
  | { readonly kind: 'null' }
  | { readonly kind: 'feedback'; readonly bind: string }
)

export interface CaseNode {
  readonly id: string
  readonly op: string
  readonly in: readonly Ref[]
  /** Edges that are passed by name. */
  readonly kw?: { readonly [name: string]: string }
  readonly params?: { readonly [name: string]: unknown }
}

/** A program, and what it has to tick, or that it has to fail. */
export interface Case {
  readonly name: string
  readonly startMs: Milliseconds
  readonly endMs: Milliseconds
  readonly program: {
    readonly sources: readonly Source[]
    readonly nodes: readonly CaseNode[]
    readonly outputs: readonly string[]
  }
  readonly expected?: { readonly [output: string]: readonly (readonly [Milliseconds, unknown])[] }
  readonly error?: { readonly type: string; readonly message: string }
}

/** The cases of a file. @throws Error when the file has another form. */
export function casesOf(text: string): readonly Case[] {
  const file = JSON.parse(text) as { readonly format?: unknown; readonly cases?: unknown }
  if (file.format !== 'gw-engine-cases/1' || !Array.isArray(file.cases)) {
    throw new Error('the file is not of the format gw-engine-cases/1')
  }
  return file.cases as readonly Case[]
}
