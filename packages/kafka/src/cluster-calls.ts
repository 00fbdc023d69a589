import { ChannelsError } from '@gw/channels'
import { bounded, pause } from './backoff.js'
import type { ClusterMember } from './cluster-members.js'
import { KafkaError, messageOf } from './errors.js'
import type { Peers } from './peers.js'

const AGAIN_MS = 100

export interface ClusterCallsOptions {
  readonly id: string
  readonly peers: Peers
  readonly signal: AbortSignal
  /** How long a call waits for the owner of what it needs. */
  readonly ownerTimeoutMs: number
  /** The gateways of the cluster, as far as this one knows. */
  readonly members: () => readonly ClusterMember[]
  /** Asks the group anew who they are. */
  readonly look: () => Promise<void>
  /** Number of partitions. */
  readonly partitions: () => Promise<number>
  /** Partitions whose state is here. */
  readonly ready: () => readonly number[]
}

/** What a gateway answers to a question to all, with the partitions that the answer is about. */
export interface PartOfAnswer {
  readonly ready: readonly number[]
  readonly answer: unknown
}

/** An answer, and whose. */
export interface AnswerOfMember<T> {
  readonly id: string
  readonly answer: T
}

/**
 * Questions to the gateway that owns a partition, and to all of them. While partitions move, or a gateway is away, they are asked
 * again, within a bound: an answer is whole, or there is none.
 */
export class ClusterCalls {
  readonly #options: ClusterCallsOptions

  constructor(options: ClusterCallsOptions) {
    this.#options = options
  }

  /** This gateway. */
  get id(): string {
    return this.#options.id
  }

  /** The gateways beside this one. */
  get others(): readonly ClusterMember[] {
    const { id, members } = this.#options
    return members().filter((member) => member.id !== id)
  }

  /**
   * Does something where a partition is; when that changes meanwhile, there. `ask` makes the question to a gateway of that id.
   * @throws ChannelsError `OWNER_AWAY`; as what is done there.
   */
  atOwner(
    partition: number,
    name: string,
    ask: (id: string) => unknown,
    here: (question: unknown) => Promise<unknown>,
  ): Promise<unknown> {
    const { id, members, peers } = this.#options
    return this.#again(async () => {
      const owner = members().find(({ owns }) => owns.includes(partition))
      if (owner === undefined) {
        throw new KafkaError('NOT_OWNED', `nobody has partition ${partition} now`, { partition })
      }
      const question = ask(owner.id)
      if (owner.id !== id) return peers.ask(owner.address, name, question)
      return bounded(here(question), peers.timeoutMs, `partition ${partition}`)
    })
  }

  /**
   * Asks all gateways. The answers are about every partition once, so together they are what one gateway would know.
   * @throws ChannelsError `OWNER_AWAY`; as the gateways do.
   */
  everywhere<T>(name: string, question: unknown, here: () => T): Promise<AnswerOfMember<T>[]> {
    const { id, peers, partitions, ready } = this.#options
    return this.#again(async () => {
      const count = await partitions()
      const parts = await Promise.all([
        (async () => ({ id, ready: ready(), answer: here() }))(),
        ...this.others.map(async (other) => {
          const part = (await peers.ask(other.address, name, question)) as PartOfAnswer
          return { id: other.id, ready: part.ready, answer: part.answer as T }
        }),
      ])
      const covered = parts.flatMap((part) => part.ready)
      if (covered.length !== count || new Set(covered).size !== count) {
        throw new KafkaError(
          'NOT_OWNED',
          `${new Set(covered).size} of ${count} partitions are ready`,
        )
      }
      return parts.map(({ id: whose, answer }) => ({ id: whose, answer }))
    })
  }

  async #again<T>(attempt: () => Promise<T>): Promise<T> {
    const { signal, look, ownerTimeoutMs } = this.#options
    const deadline = performance.now() + ownerTimeoutMs
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        if (!isMoving(error)) throw error
        if (signal.aborted) throw new ChannelsError('NOT_RUNNING', 'the gateway has stopped')
        if (performance.now() > deadline) {
          throw new ChannelsError(
            'OWNER_AWAY',
            `who has this is away, and nobody took its place in ${ownerTimeoutMs} ms: ${messageOf(error)}`,
            { cause: error },
          )
        }
      }
      await pause(AGAIN_MS, signal)
      await look()
    }
  }
}

/** Whether an error is of a partition that moves, or of somebody who does not answer. */
function isMoving(error: unknown): boolean {
  return (
    error instanceof KafkaError &&
    (error.code === 'NOT_OWNED' || error.code === 'FENCED' || error.code === 'TIMED_OUT')
  )
}
