import { ChannelsError, originOf, type SharedChannels, type StagingRequest } from '@gw/channels'
import { pause } from './backoff.js'
import { messageOf } from './errors.js'

const MAX_WAITING = 10_000
const AGAIN_MS = 1_000

export interface StagingRequestsOptions {
  readonly stagings: () => SharedChannels | undefined
  readonly signal: AbortSignal
  /** Told of requests that could not be met. */
  readonly onTrouble: (message: string) => void
}

/** What nodes of the graph ask of the stagings of a cluster: done where these are held, in order, after the cycle. */
export class StagingRequests {
  readonly #options: StagingRequestsOptions
  readonly #waiting: (readonly [channel: string, request: StagingRequest])[] = []
  #done: Promise<void> | undefined

  constructor(options: StagingRequestsOptions) {
    this.#options = options
  }

  /** @throws ChannelsError `OVERLOADED`. */
  take(channel: string, request: StagingRequest): void {
    if (this.#waiting.length >= MAX_WAITING) {
      throw new ChannelsError(
        'OVERLOADED',
        `${MAX_WAITING} stage requests wait for who holds the stagings: ask slower`,
        { channel },
      )
    }
    this.#waiting.push([channel, request])
    this.#done ??= this.#work().finally(() => {
      this.#done = undefined
    })
  }

  /** Fulfilled when nothing waits. */
  async done(): Promise<void> {
    await this.#done
  }

  async #work(): Promise<void> {
    const { signal, onTrouble } = this.#options
    for (let next = this.#waiting[0]; next !== undefined && !signal.aborted; ) {
      const [channel, request] = next
      try {
        await this.#meet(channel, request)
      } catch (error) {
        if (isPassing(error)) {
          await pause(AGAIN_MS, signal)
          continue
        }
        onTrouble(`a stage request of "${channel}" cannot be met: ${messageOf(error)}`)
      }
      this.#waiting.shift()
      next = this.#waiting[0]
    }
  }

  async #meet(channel: string, { action, stagingIds, items = [] }: StagingRequest): Promise<void> {
    const stagings = this.#options.stagings()
    if (stagings === undefined) return
    if (action === 'CREATED') await stagings.stageAdd(channel, undefined)
    else if (action === 'ADDED') {
      for (const item of items) {
        const origin = originOf(item)
        await stagings.stageAdd(channel, item, stagingIds, origin === undefined ? {} : { origin })
      }
    } else if (action === 'RELEASED') {
      await stagings.stageRelease(channel, stagingIds?.length === 0 ? undefined : stagingIds)
    } else if (items.length === 0) await stagings.stageRemove(channel, undefined, stagingIds)
    else {
      for (const item of items) {
        const { id } = item as { readonly id?: unknown }
        await stagings.stageRemove(channel, String(id), stagingIds)
      }
    }
  }
}

/** Whether it is to be expected that a request can be met later. */
function isPassing(error: unknown): boolean {
  return error instanceof ChannelsError && ['OWNER_AWAY', 'OVERLOADED'].includes(error.code)
}
