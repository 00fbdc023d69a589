import { z } from 'zod'
import { type Channel, channel } from './contract.js'
import { ChannelsError } from './errors.js'
import { shown } from './shown.js'
import { type Struct, struct } from './struct.js'

type DeadLetterShape = {
  readonly module: z.ZodString
  readonly node: z.ZodString
  readonly time: z.ZodString
  readonly cause: z.ZodString
  readonly status: z.ZodDefault<z.ZodEnum<{ kept: 'kept'; resent: 'resent'; dropped: 'dropped' }>>
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
  /** Whether it is still kept, to be sent again or dropped. */
  status: z.enum(['kept', 'resent', 'dropped']).default('kept'),
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
 * It has a state by `id`, so that they can be listed from outside: `query('deadLetters', { where: { status: 'kept' } })`. A letter
 * that is sent again or dropped ticks anew, with its `status`.
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

/** What dead letters need of the run. */
interface DeadLettersOptions {
  readonly max: number
  readonly resend: (letter: DeadLetter) => void
  /** Ticks a letter that came, or whose status has changed. */
  readonly tell: (letter: DeadLetter) => void
}

/** The dead letters of a run: the newest thousand, by option. */
export class DeadLetters {
  readonly #letters = new Map<string, DeadLetter>()
  readonly #options: DeadLettersOptions
  #count = 0

  /** @internal */
  constructor(options: DeadLettersOptions) {
    this.#options = options
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
    const letter = this.#get(id)
    this.#options.resend(letter)
    this.#end(letter, 'resent')
  }

  /** Forgets a letter. @throws ChannelsError `UNKNOWN_ID`. */
  drop(id: string): void {
    this.#end(this.#get(id), 'dropped')
  }

  /** @internal */
  countFailure(): void {
    this.#count++
  }

  /** @internal */
  add(letter: DeadLetter): void {
    this.#letters.set(letter.id, letter)
    this.#options.tell(letter)
    const [oldest] = this.#letters.values()
    if (this.#letters.size > this.#options.max && oldest !== undefined) this.#end(oldest, 'dropped')
  }

  #end(letter: DeadLetter, status: 'resent' | 'dropped'): void {
    this.#letters.delete(letter.id)
    this.#options.tell({ ...letter, status })
  }

  #get(id: string): DeadLetter {
    const letter = this.#letters.get(id)
    if (letter === undefined) {
      throw new ChannelsError(
        'UNKNOWN_ID',
        `there is no dead letter ${shown(id)}: it was dropped, or sent again`,
      )
    }
    return letter
  }
}
