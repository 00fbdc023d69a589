import type { ChannelTick, GatheredTick, LiveChannels } from '@gw/channels'
import type { AnyChannels, Position } from '@gw/protocol'
import { Backoff } from './backoff.js'
import type { Peers } from './peers.js'

/** Where the ticks of another gateway begin: with its last ones, all that its run has had, or those from now on. */
export type Begin = 'snapshot' | 'start' | 'now'

interface TickQuestion {
  readonly channel: string
  readonly from: Begin | Position
}

/** The first line of a stream of ticks. */
interface StreamHead extends Position {
  /** Ticks that come first, before those that happen from now on; the position is behind them. */
  readonly initial: number
  /** Whether they are all since the position that was asked for. */
  readonly recovered: boolean
}

type TickLine = readonly [
  key: string | null,
  value: unknown,
  time: number,
  isRemoved: boolean,
  isList: boolean,
  /** Of a key of a basket, where it is there. */
  epoch?: string,
  offset?: number,
]

/** Answers a {@link TickStream} of another gateway. @returns what ends it. */
export function sendTicks(
  channels: LiveChannels<AnyChannels>,
  question: unknown,
  send: (lines: string) => void,
): () => void {
  const { channel, from } = question as TickQuestion
  const { epoch } = channels.positionOf(channel)
  // Of another run of this gateway nothing is known there.
  const wantsAll = from === 'start' || (typeof from === 'object' && from.epoch !== epoch)
  const watch = channels.watch(channel, undefined, (tick) => send(lineOf(tick)), {
    from: wantsAll ? { epoch, offset: 0 } : from,
  })
  const { initial, recovered } = watch
  const head: StreamHead = { ...watch.position, initial: initial.length, recovered }
  send([JSON.stringify(head), ...initial.map(lineOf)].join('\n'))
  return () => watch.stop()
}

function lineOf({ key, value, time, removed, json, position }: ChannelTick): string {
  const isList = Array.isArray(value)
  const place = key === undefined ? '' : `,"${position.epoch}",${position.offset}`
  return `[${JSON.stringify(key ?? null)},${json},${time},${removed},${isList}${place}]`
}

export interface TickStreamOptions {
  readonly peers: Peers
  readonly address: string
  readonly channel: string
  readonly begin: Begin
  /** The first ticks, once; of a snapshot the last of each key. */
  readonly onBegun: (ticks: readonly GatheredTick[]) => void
  readonly onTick: (tick: GatheredTick) => void
  /** So many ticks were lost on the way: the other does not have them any more. */
  readonly onLost?: (count: number) => void
  /** Told when it has come further. */
  readonly onPlace?: () => void
}

/** The ticks of a channel that happen on another gateway. What breaks is taken up again where it broke, until it is closed. */
export class TickStream {
  /** How far it has come. */
  place: Position | undefined
  /** Of a basket, how far each key has come. */
  readonly #places = new Map<string, Position>()
  readonly #options: TickStreamOptions
  #stop = new AbortController()

  constructor(options: TickStreamOptions) {
    this.#options = options
    void this.#run(options.address)
  }

  close(): void {
    this.#stop.abort()
  }

  /** Goes on where it was when it was closed. */
  reopen(address: string): void {
    this.#stop = new AbortController()
    void this.#run(address)
  }

  /** How far a key of a basket has come, or all of the channel; `undefined` while it is not known. */
  placeOf(key: string | undefined): Position | undefined {
    const { place } = this
    if (key === undefined || place === undefined) return place
    return this.#places.get(key) ?? { epoch: place.epoch, offset: 0 }
  }

  async #run(address: string): Promise<void> {
    const { peers } = this.#options
    const { signal } = this.#stop
    const backoff = new Backoff()
    while (!signal.aborted) {
      try {
        const lines = this.#reader(() => backoff.reset())
        await peers.hear(address, 'ticks', this.#question, lines, signal)
      } catch {
        // It is gone, which the group will tell, or comes back.
      }
      await backoff.wait(signal)
    }
  }

  get #question(): TickQuestion {
    const { channel, begin } = this.#options
    return { channel, from: this.place ?? begin }
  }

  /** Reads the lines of one connection. */
  #reader(onHead: () => void): (line: string) => void {
    let head: StreamHead | undefined
    let first: GatheredTick[] = []
    return (line) => {
      if (head === undefined) {
        head = JSON.parse(line) as StreamHead
        onHead()
      } else if (first.length < head.initial) first.push(this.#tickOf(line))
      else {
        const { place } = this
        if (place !== undefined) this.place = { ...place, offset: place.offset + 1 }
        this.#options.onTick(this.#tickOf(line))
        this.#options.onPlace?.()
        return
      }
      if (first.length < head.initial) return
      this.#begun(head, first)
      first = []
      head = { ...head, initial: 0 }
    }
  }

  #tickOf(line: string): GatheredTick {
    const [key, values, time, removed, isList, epoch, offset] = JSON.parse(line) as TickLine
    if (key !== null && epoch !== undefined && offset !== undefined) {
      if (removed) this.#places.delete(key)
      else this.#places.set(key, { epoch, offset })
    }
    const value = isList ? values : (values as readonly unknown[])[0]
    return { key: key ?? undefined, value, time: time as GatheredTick['time'], removed }
  }

  #begun({ epoch, offset, recovered }: StreamHead, ticks: readonly GatheredTick[]): void {
    const { begin, onBegun, onTick, onLost, onPlace } = this.#options
    const before = this.place ?? { epoch, offset: 0 }
    const wantsAll = this.place !== undefined || begin === 'start'
    if (wantsAll && !recovered) {
      const from = before.epoch === epoch ? before.offset : 0
      onLost?.(Math.max(0, offset - from - ticks.length))
    }
    if (this.place === undefined) onBegun(ticks)
    else ticks.forEach(onTick)
    this.place = { epoch, offset }
    onPlace?.()
  }
}
