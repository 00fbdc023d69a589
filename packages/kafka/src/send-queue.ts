import { ChannelsError } from '@gw/channels'
import type { Position } from '@gw/protocol'
import type { ClusterCalls } from './cluster-calls.js'
import { KafkaError } from './errors.js'
import { errorOf, type Refusal } from './peers.js'
import type { Call, Receipts } from './send-call.js'

/** Sends that wait for one owner, at most. */
const MAX_WAITING = 10_000
/** Sends that are asked for, and taken, together, at most: so many, and of so much JSON. */
const MAX_TOGETHER = 200
const MAX_TOGETHER_LENGTH = 2 * 2 ** 20

/** A send, as its owner is asked for it. */
export interface SendQuestion {
  readonly call: Call
  /** Another try of the same send has the same. */
  readonly id: string
  /** How long somebody waits for it. */
  readonly forMs: number
  readonly expect?: Position
  readonly origin?: string
}

export interface SendsQuestion {
  readonly partition: number
  readonly sends: readonly SendQuestion[]
}

/** What has come of a send. */
export type SendOutcome = { readonly receipts: Receipts } | { readonly refusal: Refusal }

/** A send that waits. */
export interface WaitingSend extends Pick<SendQuestion, 'call' | 'id' | 'origin'> {
  /** The position that it expects of a gateway. @throws as `placeAt`. */
  readonly expectAt: (id: string) => Position | undefined
}

interface Waiting extends WaitingSend {
  readonly length: number
  readonly endsAtMs: number
  readonly resolve: (receipts: Receipts) => void
  readonly reject: (error: unknown) => void
}

export interface SendQueueOptions {
  readonly calls: ClusterCalls
  readonly partition: number
  readonly ownerTimeoutMs: number
  /** Takes sends when this gateway is the owner. */
  readonly take: (question: SendsQuestion) => Promise<readonly SendOutcome[]>
}

/**
 * Sends from this gateway to the owner of a partition: taken in the order in which they were made, as one gateway takes them. Those that have
 * come while others were on their way go together, and are committed together.
 */
export class SendQueue {
  readonly #options: SendQueueOptions
  #waiting: Waiting[] = []
  #isWorking = false

  constructor(options: SendQueueOptions) {
    this.#options = options
  }

  /** @throws ChannelsError `OWNER_AWAY`, `OVERLOADED`; as the owner does. */
  async send(send: WaitingSend): Promise<Receipts> {
    const { partition, ownerTimeoutMs } = this.#options
    if (this.#waiting.length >= MAX_WAITING) {
      throw new ChannelsError(
        'OVERLOADED',
        `${MAX_WAITING} sends wait for the owner of partition ${partition}: send slower, or several records at once`,
      )
    }
    const done = new Promise<Receipts>((resolve, reject) => {
      const { length } = JSON.stringify(send.call)
      const endsAtMs = performance.now() + ownerTimeoutMs
      this.#waiting.push({ ...send, length, endsAtMs, resolve, reject })
    })
    if (!this.#isWorking) void this.#work()
    return done
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    while (this.#waiting.length > 0) await this.#ask(this.#takeTogether())
    this.#isWorking = false
  }

  #takeTogether(): Waiting[] {
    let length = 0
    let count = 0
    for (const waiting of this.#waiting.slice(0, MAX_TOGETHER)) {
      length += waiting.length
      if (count > 0 && length > MAX_TOGETHER_LENGTH) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  /** Asks for sends, until the first of them is to be waited for no longer. */
  async #ask(together: Waiting[]): Promise<void> {
    const { calls, partition, take } = this.#options
    const [first] = together as [Waiting]
    let asked: readonly Waiting[] = together
    const ask = (owner: string): SendsQuestion => {
      const sends: SendQuestion[] = []
      asked = asked.filter((waiting) => {
        const question = questionTo(owner, waiting)
        if (question !== undefined) sends.push(question)
        return question !== undefined
      })
      return { partition, sends }
    }
    try {
      const outcomes = (await calls.atOwner(
        partition,
        'sends',
        ask,
        (question) => take(question as SendsQuestion),
        Math.max(1, first.endsAtMs - performance.now()),
      )) as readonly SendOutcome[]
      asked.forEach((waiting, i) => {
        const outcome = outcomes[i] as SendOutcome
        if ('receipts' in outcome) waiting.resolve(outcome.receipts)
        else waiting.reject(errorOf(outcome.refusal))
      })
    } catch (error) {
      const isAway = error instanceof ChannelsError && error.code === 'OWNER_AWAY'
      const nowMs = performance.now()
      const isOver = (waiting: Waiting): boolean =>
        !isAway || waiting === first || waiting.endsAtMs <= nowMs
      for (const waiting of asked) if (isOver(waiting)) waiting.reject(error)
      this.#waiting.unshift(...asked.filter((waiting) => !isOver(waiting)))
    }
  }
}

/** What an owner is asked; nothing where the send expects a position that it has no longer, which is told to its sender. */
function questionTo(owner: string, waiting: Waiting): SendQuestion | undefined {
  const { call, id, origin, endsAtMs, expectAt, reject } = waiting
  try {
    const expect = expectAt(owner)
    const forMs = endsAtMs - performance.now()
    return {
      call,
      id,
      forMs,
      ...(origin === undefined ? {} : { origin }),
      ...(expect === undefined ? {} : { expect }),
    }
  } catch (error) {
    // It is not known yet: all are asked for anew.
    if (error instanceof KafkaError) throw error
    reject(error)
    return undefined
  }
}
