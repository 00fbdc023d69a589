import {
  type ChannelInfo,
  ChannelsError,
  type LiveChannels,
  type LiveGateway,
  type RecordFilter,
  type SharedChannels,
  type StageAnswer,
  type StageOptions,
  type StateInfo,
} from '@gw/channels'
import type { AnyChannels, Query } from '@gw/protocol'
import type { Audit } from './audit.js'
import type { Controls } from './controls.js'
import { WebServerError } from './errors.js'
import type { RateLimits } from './http/rate-limits.js'
import type { RequestCounts } from './http/request-counts.js'
import type { StillGood } from './http/still-good.js'
import type { Tickets } from './http/tickets.js'
import { Names } from './names.js'
import type { Settings } from './options.js'
import type { Access } from './rows/access.js'
import type { Hub } from './stream/hub.js'

/** At once where one gateway has the channels, later where several have them. */
export type Soon<T> = T | Promise<T>

/** The running channels under plain names: what a request or a message names is a string. */
export interface PlainChannels
  extends Pick<
    LiveChannels<AnyChannels>,
    | 'info'
    | 'states'
    | 'fields'
    | 'lastTicks'
    | 'recentTicks'
    | 'positionOf'
    | 'atLeast'
    | 'nextTicks'
    | 'sendAllAndWait'
    | 'sendBasketAndWait'
    | 'sendBatchAndWait'
    | 'watch'
    | 'watchState'
    | 'arrivals'
  > {
  /** Awaited before ticks are read or watched that may happen elsewhere; absent where one gateway has the channels. */
  readonly hear?: SharedChannels['hear']
  lookup(id: string, name?: string, isVisible?: RecordFilter): Soon<unknown>
  stateRevision(state: string): Soon<string>
  query(state: string, query?: Query, isVisible?: RecordFilter): Soon<readonly unknown[]>
  count(state: string, query?: Query, isVisible?: RecordFilter): Soon<number>
  stageAdd(
    name: string,
    input: unknown,
    ids?: readonly string[],
    options?: StageOptions,
  ): Soon<StageAnswer<unknown>>
  stageRemove(
    name: string,
    recordId: string | undefined,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'checkStaged'>,
  ): Soon<StageAnswer<unknown>>
  stageRelease(
    name: string,
    ids?: readonly string[],
    options?: Pick<StageOptions, 'origin' | 'checkStaged'>,
  ): Soon<StageAnswer<unknown>>
  stageList(name: string, id?: string): Soon<readonly string[]>
  stageLookup(name: string, id?: string): Soon<StageAnswer<unknown>>
}

/** The module that shares the channels of a gateway with others, if there is one. */
export function sharingOf(gateway: LiveGateway): LiveGateway['modules'][number] | undefined {
  return gateway.modules.find((module) => 'shared' in module)
}

/** The channels of a gateway under plain names; where a module shares them with other gateways, as if there were one. */
export function plainChannels(gateway: LiveGateway): PlainChannels {
  const own = gateway.channels as unknown as PlainChannels
  const sharing = sharingOf(gateway)
  if (sharing === undefined) return own
  return new Proxy(own, {
    get: (_, name) => {
      const isShared = (SHARED as readonly (string | symbol)[]).includes(name)
      const member: unknown = Reflect.get(own, name, own)
      if (!isShared) return typeof member === 'function' ? member.bind(own) : member
      return (...call: readonly never[]) => {
        const { shared } = sharing
        if (shared === undefined) {
          throw new ChannelsError('NOT_RUNNING', `module "${sharing.name}" does not run`)
        }
        return (shared[name as keyof SharedChannels] as (...call: readonly never[]) => unknown)(
          ...call,
        )
      }
    },
  })
}

const SHARED = [
  'hear',
  'lastTicks',
  'recentTicks',
  'positionOf',
  'atLeast',
  'nextTicks',
  'watch',
  'query',
  'count',
  'stateRevision',
  'lookup',
  'sendAllAndWait',
  'sendBasketAndWait',
  'sendBatchAndWait',
  'stageAdd',
  'stageRemove',
  'stageRelease',
  'stageList',
  'stageLookup',
] as const satisfies readonly (keyof SharedChannels)[]

/** What is served under which name. */
export interface Served {
  readonly channels: Names<ChannelInfo>
  readonly states: Names<StateInfo>
  readonly staged: Names<ChannelInfo>
  readonly fields: Names<{ readonly name: string; readonly value: unknown }>
  /** Keys of a basket, now; of one whose keys come and go at several gateways, once it is heard. */
  keysOf(info: ChannelInfo): readonly string[]
}

/** The names under which a gateway's channels are served. */
export function servedOf(channels: PlainChannels): Served {
  const infos = channels.info
  return {
    channels: new Names(infos),
    states: new Names(channels.states),
    staged: new Names(infos.filter((info) => info.staged)),
    fields: new Names(Object.entries(channels.fields).map(([name, value]) => ({ name, value }))),
    keysOf: (info) => {
      if (!info.dynamic) return info.keys
      if (channels.hear === undefined) {
        return channels.info.find(({ name }) => name === info.name)?.keys ?? []
      }
      return info.provided ? channels.lastTicks(info.name).flatMap(({ key }) => key ?? []) : []
    },
  }
}

/** What all routes, and the stream, work on. */
export interface Service {
  readonly gateway: LiveGateway
  /** All of the channels: what goes to or comes from somebody outside takes `access` instead. */
  readonly channels: PlainChannels
  readonly access: Access
  readonly audit: Audit | undefined
  readonly served: Served
  readonly settings: Settings
  readonly hub: Hub
  readonly controls: Controls | undefined
  readonly waits: Waits
  readonly tickets: Tickets
  readonly stillGood: StillGood
  readonly rates: RateLimits | undefined
  readonly requests: RequestCounts
}

/** Counts the requests that wait, refuses those beyond the bound, and ends all of them when the gateway stops. */
export class Waits {
  readonly #max: number
  readonly #waiting = new Set<AbortController>()
  #isOver = false

  constructor(max: number) {
    this.#max = max
  }

  get count(): number {
    return this.#waiting.size
  }

  /**
   * Waits; the signal aborts with `NOT_RUNNING` when the gateway stops.
   * @throws WebServerError `OVERLOADED` when too many wait already.
   */
  async during<T>(wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isOver) throw stopping()
    if (this.#waiting.size >= this.#max) {
      throw new WebServerError(
        'OVERLOADED',
        `${this.#max} requests wait already: try again later`,
        {
          headers: { 'Retry-After': '1' },
        },
      )
    }
    const controller = new AbortController()
    this.#waiting.add(controller)
    try {
      return await wait(controller.signal)
    } finally {
      this.#waiting.delete(controller)
    }
  }

  /** Ends all waits: whoever waits is told to come back. */
  end(): void {
    this.#isOver = true
    for (const controller of this.#waiting) controller.abort(stopping())
  }
}

function stopping(): WebServerError {
  return new WebServerError('NOT_RUNNING', 'the gateway stops: try again later', {
    headers: { 'Retry-After': '1' },
  })
}
