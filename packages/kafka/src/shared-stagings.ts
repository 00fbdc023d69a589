import { createHash, randomUUID } from 'node:crypto'
import {
  ChannelsError,
  type LiveChannels,
  originOf,
  type StageAnswer,
  type StageOptions,
  type StagingChange,
} from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import type { ClusterCalls } from './cluster-calls.js'
import { KafkaError } from './errors.js'
import { OnceById, type StillWanted } from './once-by-id.js'
import { placesByOwner, type SharedSends, severalOwners } from './shared-sends.js'
import type { StagingMirror } from './staging-mirror.js'

const KNOWN_BYTES = 16 * 2 ** 20
/** How often a change is tried anew because others were first. */
const MAX_TRIES = 100

interface ReadQuestion {
  readonly channel: string
  readonly id?: string | undefined
}

interface TouchedQuestion {
  readonly channel: string
  readonly change: StagingChange
}

interface ChangeQuestion {
  readonly channel: string
  /** What is asked for, or what has ticked of stagings that have moved meanwhile. */
  readonly change: StagingChange | Released
  /** Another try of the same change has the same. */
  readonly id: string
  /** Digest of the staged records that it was allowed to touch: it is not done if it would touch others. */
  readonly seen?: string
  readonly origin?: string
}

interface Released {
  readonly action: 'released'
  readonly stagings: StageAnswer<unknown>
}

/** `undefined` when the stagings were not as they had been seen. */
type ChangeAnswer = { readonly answer?: StageAnswer<unknown> }

export interface SharedStagingsOptions {
  readonly channels: LiveChannels<AnyChannels>
  readonly calls: ClusterCalls
  readonly sends: SharedSends
  /** Of the channels whose stagings are those of all gateways. */
  readonly mirrors: ReadonlyMap<string, StagingMirror>
  /** How long who asks waits for an answer. */
  readonly waitMs: number
  /** How long an owner of records may be waited for. */
  readonly ownerTimeoutMs: number
  /** Fulfilled when the state of a partition that is ours is here. @throws KafkaError `NOT_OWNED`, `FENCED`. */
  readonly prepared: (partition: number) => Promise<void>
  /** Does something as a unit of work on a partition that is ours, with what the engine makes of it. @throws as `prepared`. */
  readonly inUnit: (partition: number, work: () => void) => Promise<void>
}

/**
 * The stagings of a channel, of all gateways: whoever owns their partition holds them, and changes them as units
 * of work, so that they go to the changelog. All others ask it. Who may touch what is decided where the client is, on what was seen
 * there; a change is made only if it touches just that.
 */
export class SharedStagings {
  readonly #options: SharedStagingsOptions
  /** What is changed here as holder. */
  readonly #changing: OnceById<ChangeAnswer>
  readonly #name = randomUUID()
  #serial = 0

  constructor(options: SharedStagingsOptions) {
    this.#options = options
    this.#changing = new OnceById({ maxBytes: KNOWN_BYTES })
  }

  async stageAdd(
    channel: string,
    input: unknown,
    ids?: readonly string[],
    options: StageOptions = {},
  ): Promise<StageAnswer<unknown>> {
    const { channels } = this.#options
    const stagings = this.#sharedOf(channel)
    if (stagings === undefined)
      return channels.stageAdd(channel as never, input as never, ids, options)
    const records = input === undefined ? [] : stagings.complete(input)
    for (const record of records) options.check?.(record, channel, undefined)
    return this.#change(channel, { action: 'add', records, ids }, options)
  }

  async stageRemove(
    channel: string,
    recordId: string | undefined,
    ids?: readonly string[],
    options: Pick<StageOptions, 'checkStaged'> = {},
  ): Promise<StageAnswer<unknown>> {
    const { channels } = this.#options
    if (this.#sharedOf(channel) === undefined) {
      return channels.stageRemove(channel as never, recordId, ids, options)
    }
    return this.#change(channel, { action: 'remove', recordId, ids }, options)
  }

  async stageRelease(
    channel: string,
    ids?: readonly string[],
    options: Pick<StageOptions, 'origin' | 'checkStaged'> = {},
  ): Promise<StageAnswer<unknown>> {
    const { channels } = this.#options
    if (this.#sharedOf(channel) === undefined) {
      return channels.stageRelease(channel as never, ids, options)
    }
    return this.#change(channel, { action: 'release', ids }, options)
  }

  async stageList(channel: string, id?: string): Promise<readonly string[]> {
    if (this.#sharedOf(channel) === undefined) {
      return this.#options.channels.stageList(channel as never, id)
    }
    return this.#askHolder('stageList', { channel, id })
  }

  async stageLookup(channel: string, id?: string): Promise<StageAnswer<unknown>> {
    if (this.#sharedOf(channel) === undefined) {
      return this.#options.channels.stageLookup(channel as never, id)
    }
    return this.#askHolder('stageLookup', { channel, id })
  }

  /** What this gateway answers to another that asks. @throws KafkaError `NOT_OWNED`, `FENCED`; ChannelsError as the channels do. */
  readonly answers = {
    stageList: async ({ channel, id }: ReadQuestion): Promise<readonly string[]> => {
      await this.#prepared(channel)
      return this.#options.channels.stageList(channel as never, id)
    },
    stageLookup: async ({ channel, id }: ReadQuestion): Promise<StageAnswer<unknown>> => {
      await this.#prepared(channel)
      return this.#options.channels.stageLookup(channel as never, id)
    },
    stageTouched: async ({ channel, change }: TouchedQuestion): Promise<StageAnswer<unknown>> => {
      await this.#prepared(channel)
      return this.#mirrorOf(channel).stagings.touched(change)
    },
    stageChange: (question: ChangeQuestion): Promise<ChangeAnswer> => {
      const { id, channel, change } = question
      return this.#changing.do(id, this.#options.waitMs, (stillWanted) =>
        change.action === 'release' && this.#options.sends.hasOwners(channel)
          ? this.#releaseToOwners(question, change.ids, stillWanted)
          : this.#changeHere(question, stillWanted),
      )
    },
  }

  async #change(
    channel: string,
    change: StagingChange,
    { origin, checkStaged }: Pick<StageOptions, 'origin' | 'checkStaged'>,
  ): Promise<StageAnswer<unknown>> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      let seen: string | undefined
      if (checkStaged !== undefined) {
        const touched = await this.#askHolder('stageTouched', { channel, change })
        for (const [id, records] of Object.entries(touched)) {
          for (const record of records) checkStaged(record, id)
        }
        seen = digestOf(touched)
      }
      const { answer } = await this.#askHolder('stageChange', {
        channel,
        change,
        id: this.#newId(),
        ...(seen === undefined ? {} : { seen }),
        ...(origin === undefined ? {} : { origin }),
      })
      if (answer !== undefined) return answer
    }
    throw new ChannelsError(
      'OVERLOADED',
      `the stagings of "${channel}" were changed by others each time: try again later`,
      { channel },
    )
  }

  async #changeHere(question: ChangeQuestion, stillWanted: StillWanted): Promise<ChangeAnswer> {
    const { inUnit } = this.#options
    const { channel, change, origin } = question
    const options = origin === undefined ? {} : { origin }
    const mirror = this.#mirrorOf(channel)
    let changed: ChangeAnswer = {}
    let refusal: unknown
    await inUnit(mirror.home, () => {
      try {
        stillWanted()
        if (!this.#isAsSeen(question)) return
        changed = { answer: this.#apply(channel, change, options) }
      } catch (error) {
        // Nothing was changed, so there is nothing to undo.
        refusal = error
      }
      mirror.write()
    })
    if (refusal !== undefined) throw refusal
    return changed
  }

  #apply(
    channel: string,
    change: ChangeQuestion['change'],
    options: Pick<StageOptions, 'origin'>,
  ): StageAnswer<unknown> {
    const { channels } = this.#options
    switch (change.action) {
      case 'add': {
        const { records, ids } = change
        const isList = channels.info.find(({ name }) => name === channel)?.kind === 'list'
        const input = isList && records.length > 0 ? records : records[0]
        return channels.stageAdd(channel as never, input as never, ids, options)
      }
      case 'remove':
        return channels.stageRemove(channel as never, change.recordId, change.ids)
      case 'release':
        return channels.stageRelease(channel as never, change.ids, options)
      default:
        this.#mirrorOf(channel).stagings.released(change.stagings)
        return {}
    }
  }

  /**
   * Has each record tick where its key is owned, of a list channel each staging as one list. What does not tick is staged still. Should
   * the stagings move meanwhile, who holds them then is told what has ticked; should this gateway be killed, they are released anew,
   * and owners that have ticked the same records of the same stagings do not tick them again.
   */
  async #releaseToOwners(
    question: ChangeQuestion,
    ids: readonly string[] | undefined,
    stillWanted: StillWanted,
  ): Promise<ChangeAnswer> {
    const { channels, prepared } = this.#options
    const { channel } = question
    const mirror = this.#mirrorOf(channel)
    await prepared(mirror.home)
    stillWanted()
    if (!this.#isAsSeen(question)) return {}
    const { restores } = mirror
    let failure: unknown
    let left = 0
    const answer = await channels.stageReleaseElsewhere(channel, ids, async (held) => {
      const ticked = new Set<unknown>()
      failure = await this.#tickAtOwners(question, held, ticked)
      left = Object.values(held).flat().length - ticked.size
      return ticked
    })
    const isWritten = mirror.restores === restores && (await this.#isWritten(mirror))
    if (!isWritten) {
      const released: Released = { action: 'released', stagings: answer }
      await this.#askHolder('stageChange', { channel, change: released, id: this.#newId() })
    }
    if (failure === undefined) return { answer }
    if (!(failure instanceof ChannelsError)) throw failure
    const message = `${failure.message}; ${left} records of "${channel}" are staged still`
    throw new ChannelsError(failure.code, message, { channel, cause: failure })
  }

  /** Commits what has changed. @returns whether it could: not when the stagings have moved. */
  async #isWritten(mirror: StagingMirror): Promise<boolean> {
    try {
      await this.#options.inUnit(mirror.home, () => mirror.write())
      return true
    } catch (error) {
      if (error instanceof KafkaError) return false
      throw error
    }
  }

  /** Adds to `ticked` what has. @returns why the rest has not. */
  async #tickAtOwners(
    { channel, origin }: ChangeQuestion,
    held: StageAnswer<unknown>,
    ticked: Set<unknown>,
  ): Promise<unknown> {
    const { sends } = this.#options
    const ids = Object.keys(held)
    let failure: unknown
    const parts = await this.#partsOf(channel, Object.values(held))
    await Promise.all(
      [...parts].map(async ([partition, lists]) => {
        try {
          for (const [i, records] of lists.entries()) {
            const release = digestOf([channel, ids, i, records])
            // A node of the graph that releases does not say who it is.
            const origins = records.map((record) => origin ?? originOf(record))
            await sends.release(channel, partition, records, origins, release)
            for (const record of records) ticked.add(record)
          }
        } catch (error) {
          failure = error
        }
      }),
    )
    return failure
  }

  /** By partition, what of some stagings is released there, in order, each list at once. */
  async #partsOf(
    channel: string,
    stagings: readonly (readonly unknown[])[],
  ): Promise<ReadonlyMap<number, (readonly unknown[])[]>> {
    const { channels, sends } = this.#options
    const isList = channels.info.find(({ name }) => name === channel)?.kind === 'list'
    const parts = new Map<number, (readonly unknown[])[]>()
    for (const records of isList ? stagings : [stagings.flat()]) {
      const groups = placesByOwner(await sends.ownersOf(channel, records))
      if (isList && groups.size > 1) throw severalOwners('a staging of a list channel')
      for (const [partition, places] of groups) {
        const mine = places.map((at) => records[at])
        parts.set(partition, [...(parts.get(partition) ?? []), mine])
      }
    }
    return parts
  }

  async #askHolder<N extends keyof SharedStagings['answers']>(
    name: N,
    question: Parameters<SharedStagings['answers'][N]>[0],
  ): Promise<Awaited<ReturnType<SharedStagings['answers'][N]>>> {
    const { calls, ownerTimeoutMs } = this.#options
    await calls.counted()
    const here = this.answers[name] as (question: unknown) => Promise<unknown>
    // The holder waits for the owners of what it releases.
    const waitMs = name === 'stageChange' ? 2 * ownerTimeoutMs : ownerTimeoutMs
    const { home } = this.#mirrorOf(question.channel)
    return calls.atOwner(home, name, () => question, here, waitMs) as never
  }

  #newId(): string {
    return `${this.#name}-${++this.#serial}`
  }

  #sharedOf(channel: string): StagingMirror['stagings'] | undefined {
    const mirror = this.#options.mirrors.get(channel)
    return mirror?.stagings
  }

  #mirrorOf(channel: string): StagingMirror {
    const mirror = this.#options.mirrors.get(channel)
    if (mirror !== undefined) return mirror
    throw new ChannelsError('NO_STAGE', `"${channel}" has no staging here`, { channel })
  }

  #prepared(channel: string): Promise<void> {
    return this.#options.prepared(this.#mirrorOf(channel).home)
  }

  #isAsSeen({ channel, change, seen }: ChangeQuestion): boolean {
    if (seen === undefined || change.action === 'released') return true
    return seen === digestOf(this.#mirrorOf(channel).stagings.touched(change))
  }
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
