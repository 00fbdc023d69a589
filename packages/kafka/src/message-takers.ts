import { createHash } from 'node:crypto'
import type { ClusterCalls } from './cluster-calls.js'
import { KafkaError } from './errors.js'
import { Turns } from './turns.js'

/** Messages whose takers are remembered, at most: the oldest are forgotten. */
const MAX_MESSAGES = 100_000
const HERE = Symbol('this gateway takes it')

/** What tells a message from others: its id is its sender's own. */
export interface MessageName {
  readonly messageId: string
  readonly origin?: string
}

/** A gateway that takes a message. */
interface Taker {
  readonly id: string
  readonly address: string
}

interface TakerQuestion extends MessageName {
  readonly partition: number
  /** Who takes it, unless somebody does already. */
  readonly asks: Taker
  /** Id of one that took it, and is there no more. */
  readonly gone?: string
}

export interface MessageTakersOptions {
  readonly calls: ClusterCalls
  /** Once they are counted. */
  readonly partitionOf: (key: string) => number
  /** @throws KafkaError `NOT_OWNED` for a partition that is not ours. */
  readonly checkOwned: (partition: number) => void
}

/**
 * Which gateway takes a message whose records have no owner: the first that asks, so that another try of it comes there too, wherever it is
 * made. The owner of the partition that the message's id stands for remembers it.
 */
export class MessageTakers {
  readonly #options: MessageTakersOptions
  /** By message. */
  readonly #takers = new Map<string, Taker>()
  readonly #turns = new Turns()

  constructor(options: MessageTakersOptions) {
    this.#options = options
  }

  /**
   * Does `here` if this gateway takes the message, after what came before to the same channels; else asks the one that does, by `name` and
   * the question that `ask` makes to it.
   * @throws ChannelsError `OWNER_AWAY`; as the call does.
   */
  async atTaker<T>(
    message: MessageName,
    channels: readonly string[],
    name: string,
    ask: (id: string) => unknown,
    here: () => Promise<T>,
  ): Promise<T> {
    return this.#turns.take(channels, this.#answerOf(message, name, ask), async (answer) =>
      answer === HERE ? here() : (answer as T),
    )
  }

  /** What the gateway answers that takes a message; `HERE` when it is this one. */
  async #answerOf(
    message: MessageName,
    name: string,
    ask: (id: string) => unknown,
  ): Promise<unknown> {
    const { calls, partitionOf } = this.#options
    await calls.counted()
    const partition = partitionOf(message.messageId)
    const find = async (gone: string | undefined): Promise<Taker> => {
      const { me } = calls
      if (me === undefined)
        throw new KafkaError('NOT_OWNED', 'this gateway is not in its group yet')
      const asks = { id: me.id, address: me.address }
      const question = { partition, ...message, asks, ...(gone === undefined ? {} : { gone }) }
      const taker = await calls.atOwner(partition, 'taker', () => question, this.answer)
      return taker as Taker
    }
    return calls.atFound(find, name, ask, () => Promise.resolve(HERE))
  }

  /** Says who takes a message. @throws KafkaError `NOT_OWNED`. */
  readonly answer = async (question: unknown): Promise<Taker> => {
    const { partition, messageId, origin, asks, gone } = question as TakerQuestion
    this.#options.checkOwned(partition)
    const message = hash(JSON.stringify([messageId, origin]))
    const taker = this.#takers.get(message)
    if (taker !== undefined && taker.id !== gone) return taker
    this.#takers.set(message, asks)
    if (this.#takers.size > MAX_MESSAGES) {
      this.#takers.delete(this.#takers.keys().next().value as string)
    }
    return asks
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
