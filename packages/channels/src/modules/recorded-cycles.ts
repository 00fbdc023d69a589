import { accessSync, constants } from 'node:fs'
import { type Cursor, type Edge, filter, isoOf, map, type Timestamp, timestampOf } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { Channels } from '../channels.js'
import { isPlain } from '../coerce.js'
import { ChannelsError } from '../errors.js'
import type { Logger } from '../logger.js'
import { type InputOptions, setFromInputs } from './inputs.js'
import type { Line } from './lines.js'

/** What ticked, by channel: one value; of a basket, values by key, with null for a key of a dynamic one that has gone. */
export interface RecordedTicks {
  readonly [channel: string]: unknown
}

/** What ticked in one cycle. */
export interface RecordedCycle {
  /** Engine time. */
  readonly time: Timestamp
  readonly ticks: RecordedTicks
}

/** The name of a cycle's time among its channels, as csp-gateway writes it: each reads the files of the other. */
const TIME = 'csp_engine_timestamp'

/** One line of a file of cycles. */
export function lineOf({ time, ticks }: RecordedCycle): string {
  return `${JSON.stringify({ ...ticks, [TIME]: isoOf(time) })}\n`
}

/** The cycle of a line; of one that holds none, as a crash may leave one, it is logged that it is left out. */
export function cycleIn(
  { number, text }: Line,
  path: string,
  logger: Logger,
): RecordedCycle | undefined {
  if (text.trim() === '') return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    if (!isPlain(parsed) || typeof parsed[TIME] !== 'string') throw new Error(`it has no "${TIME}"`)
    const { [TIME]: time, ...ticks } = parsed
    return { time: timestampOf(time as string), ticks }
  } catch (error) {
    logger.warn({ err: error, path, line: number }, 'a line holds no cycle and is left out')
    return undefined
  }
}

/** Reads the cycles of a file, a chunk at a time. */
export class CycleCursor implements Cursor<RecordedTicks> {
  time: Timestamp = Number.NaN
  value: RecordedTicks = {}
  readonly #path: string
  readonly #chunks: AsyncIterator<readonly Line[]>
  readonly #logger: Logger
  #lines: readonly Line[] = []
  #at = 0

  constructor(path: string, chunks: AsyncIterator<readonly Line[]>, logger: Logger) {
    this.#path = path
    this.#chunks = chunks
    this.#logger = logger
  }

  next(): boolean | Promise<boolean> {
    while (this.#at < this.#lines.length) {
      if (this.#take(this.#lines[this.#at++] as Line)) return true
    }
    return this.#read()
  }

  close(): void {
    void this.#chunks.return?.()
  }

  async #read(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    if (done === true) return false
    this.#lines = value
    this.#at = 0
    return this.next()
  }

  #take(line: Line): boolean {
    const cycle = cycleIn(line, this.#path, this.#logger)
    if (cycle === undefined) return false
    this.time = cycle.time
    this.value = cycle.ticks
    return true
  }
}

/** Sets channels to what ticked in recorded cycles. */
export function setFromCycles(
  channels: Channels<AnyChannels>,
  names: readonly string[],
  cycles: Edge<RecordedTicks>,
  options: InputOptions,
): void {
  for (const name of names) {
    const isTicked = (ticks: RecordedTicks): boolean =>
      Object.hasOwn(ticks, name) && ticks[name] !== null
    const inputs = map(filter(cycles, isTicked), (ticks) => ticks[name])
    setFromInputs(channels, name, inputs, options)
  }
}

/** @throws ChannelsError `INVALID_OPTION`. */
export function checkReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK)
  } catch (cause) {
    throw new ChannelsError('INVALID_OPTION', `the file ${path} cannot be read`, { cause })
  }
}
