import { ChannelsError } from '@gw/channels'
import { bounded, pause, within } from './backoff.js'
import type { ClusterMember } from './cluster-members.js'
import { KafkaError, type KafkaErrorCode, messageOf } from './errors.js'
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

  /** This gateway as the others know it; `undefined` while it is not among them. */
  get me(): ClusterMember | undefined {
    const { id, members } = this.#options
    return members().find((member) => member.id === id)
  }

  /** The gateways beside this one. */
  get others(): readonly ClusterMember[] {
    const { id, members } = this.#options
    return members().filter((member) => member.id !== id)
  }

  /**
   * Does something where a partition is; when that changes meanwhile, there. `ask` makes the question to a gateway of that id.
   * Waits for `waitMs`, which is as long as for any call when it is not said.
   * @throws ChannelsError `OWNER_AWAY`; as what is done there.
   */
  atOwner(
    partition: number,
    name: string,
    ask: (id: string) => unknown,
    here: (question: unknown) => Promise<unknown>,
    waitMs?: number,
  ): Promise<unknown> {
    const { id, members, peers } = this.#options
    let where = `partition ${partition}`
    return this.#again(
      async () => {
        const owner = members().find(({ owns }) => owns.includes(partition))
        if (owner === undefined) {
          throw new KafkaError('NOT_OWNED', `nobody has partition ${partition} now`, { partition })
        }
        where = `partition ${partition} of ${owner.address}`
        const question = ask(owner.id)
        if (owner.id !== id) return this.#askPeer(owner, name, question)
        return bounded(here(question), peers.timeoutMs, `partition ${partition}`)
      },
      () => where,
      waitMs,
    )
  }

  /**
   * Does something at the gateway that `find` finds, which may be this one. When that is gone, `find` is told so and finds another.
   * @throws ChannelsError `OWNER_AWAY`; as what is done there.
   */
  atFound(
    find: (gone: string | undefined) => Promise<Pick<ClusterMember, 'id' | 'address'>>,
    name: string,
    ask: (id: string) => unknown,
    here: (question: unknown) => Promise<unknown>,
  ): Promise<unknown> {
    const { id, members } = this.#options
    let gone: string | undefined
    let where = 'it'
    return this.#again(
      async () => {
        const found = await find(gone)
        const question = ask(found.id)
        if (found.id === id) return here(question)
        const member = members().find((one) => one.id === found.id)
        const { address } = member ?? found
        where = address
        try {
          return await this.#askPeer({ address }, name, question)
        } catch (error) {
          if (member === undefined) gone = found.id
          throw error
        }
      },
      () => where,
    )
  }

  /**
   * Asks all gateways. The answers are about every partition once, so together they are what one gateway would know.
   * @throws ChannelsError `OWNER_AWAY`; as the gateways do.
   */
  everywhere<T>(name: string, question: unknown, here: () => T): Promise<AnswerOfMember<T>[]> {
    const { id, ready } = this.#options
    return this.#again(async () => {
      const count = await this.#count()
      const parts = await Promise.all([
        (async () => ({ id, ready: ready(), answer: here() }))(),
        ...this.others.map(async (other) => {
          const part = (await this.#askPeer(other, name, question)) as PartOfAnswer
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

  /** Fulfilled when it is known how many partitions there are. @throws ChannelsError `OWNER_AWAY`, `NOT_RUNNING`. */
  async counted(): Promise<void> {
    await this.#again(() => this.#count())
  }

  async #count(): Promise<number> {
    try {
      return await this.#options.partitions()
    } catch (error) {
      if (isMoving(error)) throw error
      throw new ChannelsError('NOT_RUNNING', messageOf(error), { cause: error })
    }
  }

  async #askPeer(
    { address }: Pick<ClusterMember, 'address'>,
    name: string,
    question: unknown,
  ): Promise<unknown> {
    try {
      return await this.#options.peers.ask(address, name, question)
    } catch (error) {
      if (!(error instanceof ChannelsError) || error.code !== 'NOT_RUNNING') throw error
      // It is others who have what it had.
      throw new KafkaError('NOT_OWNED', `${address}: ${error.message}`, { cause: error })
    }
  }

  /** Tries until it succeeds, for so long: also while a try hangs. */
  async #again<T>(
    attempt: () => Promise<T>,
    where = (): string => 'it',
    waitMs = this.#options.ownerTimeoutMs,
  ): Promise<T> {
    const { signal, look } = this.#options
    let isOver = false
    let last: unknown
    const work = async (): Promise<T> => {
      for (;;) {
        try {
          return await attempt()
        } catch (error) {
          if (!isMoving(error) || isOver) throw error
          if (signal.aborted) throw new ChannelsError('NOT_RUNNING', 'the gateway has stopped')
          last = error
        }
        await pause(AGAIN_MS, signal)
        await look()
      }
    }
    const done = work()
    if (await within(done, waitMs)) return done
    isOver = true
    done.catch(() => undefined)
    const why = last === undefined ? `${where()} gave no answer` : messageOf(last)
    throw new ChannelsError(
      'OWNER_AWAY',
      `who has this is away, and nobody took its place in ${waitMs} ms: ${why}`,
      { cause: last },
    )
  }
}

const MOVING: readonly KafkaErrorCode[] = ['NOT_OWNED', 'FENCED', 'TIMED_OUT', 'CLOSED']

/** Whether an error is of a partition that moves, or of somebody who does not answer. */
function isMoving(error: unknown): boolean {
  return error instanceof KafkaError && MOVING.includes(error.code)
}
