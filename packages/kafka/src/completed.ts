import { jsonProblemOf } from '@gw/channels'
import type { z } from 'zod'

/** A value as a schema has it: completed, normalised. @throws Error that says where it does not fit, and why. */
export function completed(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) {
    const problem = jsonProblemOf(schema, parsed.data)
    if (problem === undefined) return parsed.data
    throw new Error(problem)
  }
  const [issue] = parsed.error.issues
  const why = `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim()
  throw new Error(why, { cause: parsed.error })
}
