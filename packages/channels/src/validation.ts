import type { FieldError } from '@gw/protocol'
import type { z } from 'zod'
import { ChannelsError } from './errors.js'
import { stepOf } from './json-problem.js'
import { type Mint, withMint } from './mint.js'
import { oddValuesIn } from './odd-values.js'
import { acceptsNullAt } from './paths.js'

type Path = readonly (string | number)[]

/** What the inputs are for. */
interface Named {
  readonly name: string
}

/** Validates and completes inputs, all or nothing: what is wrong with any of them is told of all. */
export class Validation {
  readonly #mint: Mint
  readonly #issues: z.core.$ZodIssue[] = []
  #channel: Named | undefined

  constructor(mint: Mint) {
    this.#mint = mint
  }

  /** The completed input; its problems are kept for {@link finish}. `path` leads to it in what was given. */
  take(channel: Named, schema: z.ZodType, input: unknown, path: Path = []): unknown {
    this.#channel ??= channel
    const result = withMint(this.#mint, () => {
      try {
        return schema.safeParse(input, { reportInput: true })
      } catch (cause) {
        throw new ChannelsError(
          'INVALID_RECORD',
          `a record for "${channel.name}" could not be validated: ${cause instanceof Error ? cause.message : String(cause)}`,
          { channel: channel.name, cause },
        )
      }
    })
    const issues = result.success ? oddIssues(schema, result.data) : result.error.issues
    if (result.success && issues.length === 0) return result.data
    this.#channel = channel
    for (const issue of issues) {
      this.#issues.push({ ...issue, path: [...path, ...issue.path] })
    }
    return undefined
  }

  /** @throws ChannelsError `INVALID_RECORD` with all that is wrong. */
  finish(): void {
    if (this.#issues.length === 0) return
    const errors = this.#issues.flatMap(fieldErrors)
    const { name } = this.#channel as Named
    const shown = errors.slice(0, 5).map(({ path, message }) => {
      const where = path.join('.')
      return where === '' ? message : `${where}: ${message}`
    })
    if (errors.length > shown.length) shown.push(`and ${errors.length - shown.length} more`)
    throw new ChannelsError('INVALID_RECORD', `"${name}" does not take this: ${shown.join('; ')}`, {
      channel: name,
      errors,
      issues: this.#issues,
    })
  }
}

/** What JSON cannot carry although the schema takes it: what is in the graph is what goes out. */
function oddIssues(schema: z.ZodType, value: unknown): readonly z.core.$ZodIssue[] {
  return oddValuesIn(value)
    .filter(({ path, isNumber }) => !(isNumber && acceptsNullAt(schema, path.map(stepOf))))
    .map(({ path, what }) => ({
      code: 'custom',
      path: [...path],
      message: `JSON cannot carry ${what}`,
      input: undefined,
    }))
}

function fieldErrors(issue: z.core.$ZodIssue): readonly FieldError[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: 'Unknown field' }))
  }
  return [{ path, message: issue.message }]
}
