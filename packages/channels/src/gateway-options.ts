import { type Clock, type Duration, type RunResult, type Timestamp, timestampOf } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { isSignal } from './call-options.js'
import type { Channels } from './channels.js'
import type { Contract } from './contract.js'
import { ChannelsError } from './errors.js'
import { isObject } from './filter.js'
import type { LiveChannels } from './live.js'
import type { Logger } from './logger.js'
import { isIdBase } from './mint.js'
import type { Module } from './module.js'
import type { QueryLimits } from './query.js'
import { shown } from './shown.js'

/** Bounds of a gateway; each has a default. */
export interface GatewayLimits {
  /** Ticks of each channel that are kept to resume from. @defaultValue 1_000 */
  readonly historyTicks?: number
  /** Their size as JSON, estimated. @defaultValue 4 MiB */
  readonly historyBytes?: number
  /** Records that `lookup` finds. @defaultValue 100_000 */
  readonly lookupRecords?: number
  /** Keys of one dynamic basket, beyond which sends to new ones are refused. @defaultValue 100_000 */
  readonly basketKeys?: number
  /** Sends that wait for the engine; beyond it they are refused. @defaultValue 10_000 */
  readonly pendingSends?: number
  /** How far the engine may be behind before sends are refused. @defaultValue no limit */
  readonly lagMs?: number
  /** Message ids that are remembered. @defaultValue 100_000 */
  readonly messageIds?: number
  /** How long they are remembered. @defaultValue 10 minutes */
  readonly messageIdMs?: number
  /** Size of the answers that are remembered with them, as JSON, estimated. @defaultValue 64 MiB */
  readonly messageIdBytes?: number
  /** @defaultValue 1_000 */
  readonly deadLetters?: number
  /** Stagings of one channel. @defaultValue 10_000 */
  readonly stagings?: number
  /** Staged records of one channel. @defaultValue 100_000 */
  readonly stagedRecords?: number
  /** Cycles at one engine time, before the run is ended as spinning. @defaultValue 1_000_000 */
  readonly cyclesAtOneTime?: number
  /** Bounds of queries. @defaultValue depth 8, 64 terms, limit 100_000 */
  readonly query?: Partial<QueryLimits>
}

/** Options of {@link Gateway}. */
export interface GatewayOptions<C extends AnyChannels> {
  readonly channels: Contract<C>
  /** In the order in which they are connected and started. */
  readonly modules?: readonly Module<NoInfer<C>>[]
  /** A graph of one's own beside the modules, connected last. */
  readonly graph?: (channels: Channels<NoInfer<C>>) => void
  /** The time that a realtime run follows. @defaultValue the wall's, from `start` on at `speed` */
  readonly clock?: Clock
  /** Engine time of the first cycle. @defaultValue the clock's now */
  readonly start?: Timestamp | string
  /** Engine time after which a realtime run ends. @defaultValue no end */
  readonly end?: Timestamp | string
  /** Seconds of engine time in a second. @defaultValue 1 */
  readonly speed?: number
  /** How long cycles may run on end in real time before I/O gets its turn. @defaultValue 8 */
  readonly budgetMs?: number
  /** Names of modules that are left out. */
  readonly disable?: readonly string[]
  /** Names of modules that take part although they say `enabled: false`. */
  readonly enable?: readonly string[]
  /** Ticks that modules set, and sends, before this engine time are dropped or refused. */
  readonly blockSetChannelsUntil?: Timestamp | string
  /** Where ids begin: 18 digits, as the ids of a run that is replayed begin. @defaultValue of the time and at random */
  readonly idBase?: string
  readonly limits?: GatewayLimits
  /** How long one module may take to start. @defaultValue 30_000 */
  readonly startTimeoutMs?: number
  /** How long all may take to stop; a quarter of it is kept for writing what is left. @defaultValue 20_000 */
  readonly stopTimeoutMs?: number
  /** @defaultValue warnings and errors on the console */
  readonly logger?: Logger
}

/** Options of {@link Gateway.run}. */
export interface RunUntilOptions {
  /** Whether SIGINT and SIGTERM end it; the second one kills, as usual. @defaultValue true */
  readonly signals?: boolean
  readonly signal?: AbortSignal
}

/** Options of {@link Gateway.simulate}. */
export interface SimulationOptions {
  /** Engine time of the first cycle. @defaultValue that of the gateway, else 1970 */
  readonly start?: Timestamp | string
  /** Engine time of the last cycle. @defaultValue no end */
  readonly end?: Timestamp | string
  /** Span after which to end, in place of `end`. */
  readonly duration?: Duration
  /** Ends it after the present cycle. */
  readonly signal?: AbortSignal
  /** As in the options of the gateway. */
  readonly idBase?: string
}

/** What a simulation leaves. */
export interface SimulationResult<C extends AnyChannels> extends RunResult {
  /** The channels as they are at the end: `last`, `query`, `lookup` and stagings can be read. */
  readonly channels: LiveChannels<C>
}

const LIMITS = [
  'historyTicks',
  'historyBytes',
  'lookupRecords',
  'basketKeys',
  'pendingSends',
  'lagMs',
  'messageIds',
  'messageIdMs',
  'messageIdBytes',
  'deadLetters',
  'stagings',
  'stagedRecords',
  'cyclesAtOneTime',
] as const satisfies readonly (keyof GatewayLimits)[]
const QUERY_LIMITS = ['depth', 'terms', 'limit'] as const satisfies readonly (keyof QueryLimits)[]

/** Those who write JavaScript, or leave the compiler out, are told too. @throws ChannelsError `INVALID_OPTION`. */
export function checkOptions<C extends AnyChannels>(options: GatewayOptions<C>): void {
  const { idBase, limits = {}, budgetMs, startTimeoutMs, stopTimeoutMs, speed } = options
  const { clock, graph, logger } = options
  checkIdBase(idBase)
  checkTimes(options, ['start', 'end', 'blockSetChannelsUntil'])
  checkNumbers({ budgetMs, startTimeoutMs, stopTimeoutMs })
  if (speed !== undefined && !(typeof speed === 'number' && speed > 0)) {
    throw invalid(`speed is a number above 0, not ${shown(speed)}`)
  }
  checkMembers('clock', clock, ['now', 'wakeAt'])
  checkMembers('logger', logger, ['info', 'warn', 'error'])
  if (graph !== undefined && typeof graph !== 'function') {
    throw invalid(`graph is a function of the channels, not ${shown(graph)}`)
  }
  checkObject('limits', limits)
  const { query = {}, ...rest } = limits
  checkObject('limits.query', query)
  checkNames('limits', limits, [...LIMITS, 'query'])
  checkNames('limits.query', query, QUERY_LIMITS)
  checkNumbers({ ...rest, ...query })
}

/** @throws ChannelsError `INVALID_OPTION`. */
export function checkSimulationOptions(options: SimulationOptions): void {
  checkObject('the options of simulate', options)
  const { idBase, end, duration, signal } = options
  checkIdBase(idBase)
  checkTimes(options, ['start', 'end'])
  if (duration !== undefined && !(typeof duration === 'number' && duration >= 0)) {
    throw invalid(`duration is a number of microseconds, not ${shown(duration)}`)
  }
  if (end !== undefined && duration !== undefined) {
    throw invalid('a simulation has an end or a duration, not both: leave one of them out')
  }
  checkSignal(signal)
}

/** @throws ChannelsError `INVALID_OPTION`. */
export function checkRunOptions(options: RunUntilOptions): void {
  checkObject('the options of run', options)
  const { signals, signal } = options
  if (signals !== undefined && typeof signals !== 'boolean') {
    throw invalid(`signals is true or false, not ${shown(signals)}`)
  }
  checkSignal(signal)
}

/** @throws ChannelsError `INVALID_OPTION`. */
export function checkObject(what: string, value: unknown): void {
  if (!isObject(value)) throw invalid(`${what} is an object, not ${shown(value)}`)
}

function checkIdBase(idBase: unknown): void {
  if (idBase === undefined || (typeof idBase === 'string' && isIdBase(idBase))) return
  throw invalid(`idBase is 18 digits, not ${shown(idBase)}`)
}

function checkSignal(signal: unknown): void {
  if (signal === undefined || isSignal(signal)) return
  throw invalid(`signal is an AbortSignal, not ${shown(signal)}`)
}

function checkTimes<O extends object>(options: O, names: readonly (keyof O & string)[]): void {
  for (const name of names) {
    const time: unknown = options[name]
    if (time === undefined || Number.isSafeInteger(time)) continue
    if (typeof time !== 'string') {
      throw invalid(
        `${name} is a time: whole microseconds since 1970, or ISO 8601, not ${shown(time)}`,
      )
    }
    try {
      timestampOf(time)
    } catch (cause) {
      throw invalid(`${name} is a time, and ${shown(time)} is no ISO 8601 time`, cause)
    }
  }
}

function checkNumbers(numbers: { readonly [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (value === undefined || (typeof value === 'number' && value >= 1)) continue
    throw invalid(`${name} is a number from 1 on, not ${shown(value)}`)
  }
}

/** A limit that nobody heeds would be none. */
function checkNames(what: string, value: object, names: readonly string[]): void {
  const odd = Object.keys(value).find((name) => !names.includes(name))
  if (odd === undefined) return
  throw invalid(`${what} has no ${shown(odd)}: it has ${names.join(', ')}`)
}

function checkMembers(what: string, value: unknown, members: readonly string[]): void {
  if (value === undefined) return
  const odd = members.find(
    (member) => typeof (value as Readonly<Record<string, unknown>> | null)?.[member] !== 'function',
  )
  if (odd !== undefined) throw invalid(`${what} has the method ${odd}, not so ${shown(value)}`)
}

function invalid(message: string, cause?: unknown): ChannelsError {
  return new ChannelsError('INVALID_OPTION', message, cause === undefined ? {} : { cause })
}

/** An option that is a time, or its ISO 8601 text. */
export function timeOf(time: Timestamp | string | undefined): Timestamp | undefined {
  return typeof time === 'string' ? timestampOf(time) : time
}
