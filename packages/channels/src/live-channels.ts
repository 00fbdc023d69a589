import type { AnyChannels } from '@gw/protocol'
import type { z } from 'zod'
import { checkCallOptions, checkFunction } from './call-options.js'
import { ChannelsError } from './errors.js'
import type { LiveChannels, StageAnswer, StageOptions, Stagings } from './live.js'
import { setOrigin } from './origin.js'
import { recordSchemaOf } from './paths.js'
import { noStage, SendingChannels } from './sending-channels.js'
import { shown } from './shown.js'
import type { Staging, StagingChange, StagingEvent } from './staging.js'
import { structsOf } from './struct.js'
import { Validation } from './validation.js'
import { channelOf } from './wired-channel.js'

/** The running channels behind {@link LiveChannels}, by plain names: what is read and sent, and the stagings. */
export class RunningChannels extends SendingChannels {
  readonly #stageListeners = new Map<string, Set<(event: StagingEvent) => void>>()

  /** The same under the types of a contract. */
  typed<C extends AnyChannels>(): LiveChannels<C> {
    return this as unknown as LiveChannels<C>
  }

  stageAdd(
    name: string,
    input: unknown,
    ids?: readonly string[],
    options: StageOptions = {},
  ): StageAnswer<unknown> {
    checkCallOptions('stageAdd', options, ['origin', 'check', 'checkStaged'], name)
    const { origin, check, checkStaged } = options
    const staging = this.#staging(name, ids)
    if (input === undefined) return staging.add([], ids)
    const records = this.#staged(name, input)
    for (const record of records) check?.(record, name, undefined)
    checkTouched(staging, { action: 'add', records, ids }, checkStaged)
    const answer = staging.add(records as object[], ids)
    for (const record of records) setOrigin(record, origin)
    this.#noteStaged(name, records)
    return answer
  }

  stageRemove(
    name: string,
    recordId: string | undefined,
    ids?: readonly string[],
    options: Pick<StageOptions, 'checkStaged'> = {},
  ): StageAnswer<unknown> {
    checkCallOptions('stageRemove', options, ['checkStaged'], name)
    const staging = this.#staging(name, ids)
    checkId(name, 'a record', recordId)
    checkTouched(staging, { action: 'remove', recordId, ids }, options.checkStaged)
    return staging.remove(recordId, ids)
  }

  stageRelease(
    name: string,
    ids?: readonly string[],
    options: Pick<StageOptions, 'origin' | 'checkStaged'> = {},
  ): StageAnswer<unknown> {
    checkCallOptions('stageRelease', options, ['origin', 'checkStaged'], name)
    const { origin } = options
    const staging = this.#staging(name, ids)
    checkTouched(staging, { action: 'release', ids }, options.checkStaged)
    for (const records of Object.values(staging.held(ids))) {
      for (const record of records) setOrigin(record, origin)
    }
    return staging.release(ids)
  }

  async stageReleaseElsewhere(
    name: string,
    ids: readonly string[] | undefined,
    ticks: (held: StageAnswer<unknown>) => Promise<ReadonlySet<unknown>>,
  ): Promise<StageAnswer<unknown>> {
    const staging = this.#staging(name, ids)
    checkFunction('ticks of stageReleaseElsewhere', ticks, name)
    return staging.releaseElsewhere(ids, ticks)
  }

  stagings(name: string): Stagings {
    const staging = this.#staging(name)
    return {
      complete: (input) => this.#staged(name, input),
      touched: (change) => staging.touched(change),
      restore: (stagings) => {
        const all = [...stagings]
        staging.restore(all.map(([id, records]) => [id, records]))
        for (const [, records, origins = []] of all) {
          records.forEach((record, i) => {
            setOrigin(record, origins[i])
          })
          this.#noteStaged(name, records)
        }
      },
      released: (stagings) => staging.released(stagings),
      takeRequests: (listener) => {
        checkFunction('the listener of takeRequests', listener, name)
        staging.takesRequests = listener
      },
    }
  }

  stageList(name: string, id?: string): readonly string[] {
    const staging = this.#staging(name)
    checkId(name, 'a staging', id)
    return staging.list(id)
  }

  stageLookup(name: string, id?: string): StageAnswer<unknown> {
    const staging = this.#staging(name)
    checkId(name, 'a staging', id)
    return staging.lookup(id)
  }

  watchStage(name: string, listener: (event: StagingEvent) => void): () => void {
    this.#staging(name)
    checkFunction('the listener of watchStage', listener, name)
    const listeners = this.#stageListeners.get(name) ?? new Set()
    this.#stageListeners.set(name, listeners)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** @internal Tells those who listen to stagings. */
  tellStaging(event: StagingEvent, onFailed: (error: unknown) => void): void {
    for (const listener of this.#stageListeners.get(event.channel) ?? []) {
      try {
        listener(event)
      } catch (error) {
        onFailed(error)
      }
    }
  }

  /** Has a look-up find what is staged. */
  #noteStaged(name: string, records: readonly unknown[]): void {
    const { schema } = channelOf(this.channels, name).definition
    const place = { structs: structsOf(recordSchemaOf(schema)), channel: name, key: undefined }
    for (const record of records) this.run.lookup?.add(place, record)
  }

  /** What is staged of an input, complete: of a list channel a list is several records. @throws ChannelsError `INVALID_RECORD`. */
  #staged(name: string, input: unknown): readonly unknown[] {
    const channel = channelOf(this.channels, name)
    const schema = recordSchemaOf(channel.definition.schema) as z.ZodType
    const validation = new Validation(this.run.mint)
    const inputs = channel.definition.kind === 'list' && Array.isArray(input) ? input : [input]
    const records = inputs.map((one: unknown, i) =>
      validation.take(channel, schema, one, inputs === input ? [i] : []),
    )
    validation.finish()
    return records
  }

  #staging(name: string, ids?: readonly string[]): Staging {
    if (ids !== undefined && !(Array.isArray(ids) && ids.every((id) => typeof id === 'string'))) {
      throw new ChannelsError(
        'STAGING_MISUSE',
        `the stagings of "${name}" are named as a list of their ids, not as ${shown(ids)}`,
        { channel: name },
      )
    }
    this.checkReadable()
    const { staging } = channelOf(this.channels, name)
    if (staging === undefined) throw noStage(name)
    return staging
  }
}

function checkTouched(
  staging: Staging,
  change: StagingChange,
  check: StageOptions['checkStaged'],
): void {
  if (check === undefined) return
  for (const [id, records] of Object.entries(staging.touched(change))) {
    for (const record of records) check(record, id)
  }
}

/** @throws ChannelsError `STAGING_MISUSE`. */
function checkId(channel: string, what: string, id: unknown): void {
  if (id === undefined || typeof id === 'string') return
  throw new ChannelsError('STAGING_MISUSE', `the id of ${what} is a text, not ${shown(id)}`, {
    channel,
  })
}
