import { setImmediate as nextTurn } from 'node:timers/promises'
import { map, merge, type PushSource, pull, push, type Timestamp } from '@gw/core'
import type { StateOptions } from '../contract.js'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { COUNT, checkModuleOptions, LOGGER } from './check-options.js'
import { followLines, linesOf } from './lines.js'
import {
  CycleCursor,
  cycleIn,
  type RecordedCycle,
  type RecordedTicks,
  setFromCycles,
} from './recorded-cycles.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** Options of {@link mirror}. */
export interface MirrorOptions {
  /**
   * The cycles of the gateway that is mirrored: a file that its `jsonLinesWriter` writes, followed as it grows; or anything else that
   * gives cycles until its signal is aborted.
   */
  readonly source: string | ((signal: AbortSignal) => AsyncIterable<RecordedCycle>)
  /** @defaultValue all channels */
  readonly select?: ChannelSelection
  /** States beside those of the contract, by channel. */
  readonly states?: Readonly<Record<string, StateOptions>>
  /** How often a file is looked at for more. @defaultValue 100 */
  readonly pollMs?: number
  readonly logger?: Logger
}

/** What came from the source: a cycle's ticks, or what ended it. */
type Arrival = { readonly ticks: RecordedTicks } | { readonly failure: unknown }

const MAX_PENDING = 1_000

/**
 * Makes the gateway a replica of another one: it ticks the other's cycles, from the first one on, as they come, with the ids and
 * timestamps of their records. Nothing goes back to the source, and a source that fails is an error of the module. In simulation
 * the cycles tick at their own engine times.
 */
export function mirror(options: MirrorOptions): Module {
  checkModuleOptions('mirror', options, {
    source: {
      holds: (value) => (typeof value === 'string' && value !== '') || typeof value === 'function',
      what: 'the path of a file, or a function that gives cycles',
      isRequired: true,
    },
    pollMs: COUNT,
    logger: LOGGER,
  })
  const { source, select, states = {}, pollMs = 100, logger = consoleLogger } = options
  let arrivals: PushSource<Arrival>
  let closing = new AbortController()
  let following: Promise<void> | undefined

  const cycles = (signal: AbortSignal): AsyncIterable<RecordedCycle> =>
    typeof source === 'string' ? cyclesOf(source, pollMs, signal, logger) : source(signal)

  const follow = async (signal: AbortSignal): Promise<void> => {
    try {
      for await (const { ticks } of cycles(signal)) {
        while (arrivals.pending >= MAX_PENDING && !signal.aborted) await nextTurn()
        if (signal.aborted) return
        arrivals.push({ ticks })
      }
    } catch (failure) {
      if (!signal.aborted) arrivals.push({ failure })
    }
  }
  return {
    name: 'mirror',
    requires: [],
    connect(c) {
      arrivals = push<Arrival>(c.graph, 'nonCollapsing', {
        name: 'arrivals',
        maxPending: MAX_PENDING + 1,
      })
      const live = map(arrivals.edge, (arrival) => {
        if ('failure' in arrival) throw arrival.failure
        return arrival.ticks
      })
      const recorded = pull<RecordedTicks>(c.graph, 'recorded', (context) => {
        if (context.realtime) return []
        return typeof source === 'string'
          ? new CycleCursor(source, linesOf(source), logger)
          : rowsOf(source(closing.signal))
      })
      setFromCycles(c, selectChannels(c, select), merge(live, recorded), { keepIds: true })
      for (const [channel, state] of Object.entries(states))
        c.setState(channel as never, state as never)
    },
    start() {
      closing = new AbortController()
      following = follow(closing.signal)
    },
    async stop() {
      closing.abort()
      await following
    },
  }
}

async function* cyclesOf(
  path: string,
  pollMs: number,
  signal: AbortSignal,
  logger: Logger,
): AsyncGenerator<RecordedCycle> {
  for await (const lines of followLines(path, pollMs, signal)) {
    for (const line of lines) {
      const cycle = cycleIn(line, path, logger)
      if (cycle !== undefined) yield cycle
    }
  }
}

async function* rowsOf(
  cycles: AsyncIterable<RecordedCycle>,
): AsyncGenerator<readonly [Timestamp, RecordedTicks]> {
  for await (const { time, ticks } of cycles) yield [time, ticks]
}
