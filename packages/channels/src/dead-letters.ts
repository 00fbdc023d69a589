import { z } from 'zod'
import { type Channel, channel } from './contract.js'
import { ChannelsError } from './errors.js'
import { type Struct, struct } from './struct.js'

type DeadLetterShape = {
  readonly module: z.ZodString
  readonly node: z.ZodString
  readonly time: z.ZodString
  readonly cause: z.ZodString
  readonly inputs: z.ZodArray<
    z.ZodObject<{
      readonly channel: z.ZodString
      readonly key: z.ZodOptional<z.ZodString>
      readonly value: z.ZodUnknown
    }>
  >
}

/** An input at which a node failed. */
export const DeadLetter: Struct<DeadLetterShape> = struct('DeadLetter', {
  /** Module whose node failed. */
  module: z.string(),
  /** Path of the node in the graph. */
  node: z.string(),
  /** Engine time of the failure. */
  time: z.string(),
  /** What the node threw. */
  cause: z.string(),
  /** What ticked, in that cycle, on the channels that the node is computed from. */
  inputs: z.array(
    z.object({ channel: z.string(), key: z.string().optional(), value: z.unknown() }),
  ),
})
export type DeadLetter = z.output<typeof DeadLetter>

/** The name under which a contract shows its dead letters. */
export const DEAD_LETTERS = 'deadLetters'

/**
 * The channel that dead letters tick on, for a contract: `defineChannels({ orders, deadLetters: deadLetterChannel() })`.
 * It has a state by `id`, so that they can be listed from outside.
 */
export function deadLetterChannel(): Channel<
  typeof DeadLetter,
  { readonly state: { readonly by: 'id'; readonly maxRecords: number }; readonly required: false }
> {
  return channel(DeadLetter, {
    state: { by: 'id', maxRecords: 1_000 },
    required: false,
    doc: 'Inputs at which a node failed whose module goes on.',
  }) as never
}

/** The dead letters of a run: the newest thousand, by option. */
export class DeadLetters {
  readonly #letters = new Map<string, DeadLetter>()
  readonly #max: number
  readonly #resend: (letter: DeadLetter) => void
  #count = 0

  /** @internal */
  constructor(max: number, resend: (letter: DeadLetter) => void) {
    this.#max = max
    this.#resend = resend
  }

  /** Failures so far, of `skip` and `deadLetter` alike. */
  get count(): number {
    return this.#count
  }

  /** What is kept, oldest first. */
  list(): readonly DeadLetter[] {
    return [...this.#letters.values()]
  }

  /**
   * Ticks the inputs of a letter on their channels anew, and drops the letter.
   * @throws ChannelsError `UNKNOWN_ID`, `NOT_SENDABLE`, `OVERLOADED`, `NOT_RUNNING`.
   */
  resend(id: string): void {
    this.#resend(this.#get(id))
    this.#letters.delete(id)
  }

  /** Forgets a letter. @throws ChannelsError `UNKNOWN_ID`. */
  drop(id: string): void {
    this.#letters.delete(this.#get(id).id)
  }

  /** @internal */
  countFailure(): void {
    this.#count++
  }

  /** @internal */
  add(letter: DeadLetter): void {
    this.#letters.set(letter.id, letter)
    const [oldest] = this.#letters.keys()
    if (this.#letters.size > this.#max && oldest !== undefined) this.#letters.delete(oldest)
  }

  #get(id: string): DeadLetter {
    const letter = this.#letters.get(id)
    if (letter === undefined) {
      throw new ChannelsError(
        'UNKNOWN_ID',
        `there is no dead letter ${id}: it was dropped, or sent again`,
      )
    }
    return letter
  }
}
