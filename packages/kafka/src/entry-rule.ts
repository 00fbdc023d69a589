import { createHash } from 'node:crypto'
import { z } from 'zod'
import { completed } from './completed.js'

/** What the entries of a store are to be, as the contract has it now. */
export interface EntryRule {
  /** The same as long as the rule is the same: what was written under it needs no check. */
  readonly id: string
  /** The value of an entry, completed. @throws Error that says why it does not fit. */
  readonly complete: (key: string, value: unknown) => unknown
}

/** The rule that values fit a schema. */
export function ruleOf(schema: z.ZodType): EntryRule {
  return { id: idOf(schema), complete: (_key, value) => completed(schema, value) }
}

/** A short text that is another when what a schema gives out, or something beside it, is another. */
export function idOf(schema: z.ZodType, ...beside: readonly unknown[]): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify([shapeOf(schema), ...beside]))
  return hash.digest('base64url').slice(0, 12)
}

function shapeOf(schema: z.ZodType): unknown {
  try {
    return z.toJSONSchema(schema, {
      io: 'output',
      unrepresentable: 'any',
      // Defaults may be made anew each time, and what was kept has them already.
      override: ({ jsonSchema }) => {
        delete jsonSchema.default
      },
    })
  } catch {
    // Not to be described: it is another each time, so that what was kept is always checked.
    return Math.random()
  }
}
