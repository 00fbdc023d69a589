import type { ChannelTick } from '@gw/channels'
import type { DeliveryMode, From, Position } from '@gw/protocol'
import type { PlainChannels } from '../service.js'
import type { CopyWatch } from './copy-watch.js'
import { Line, type Source } from './line.js'
import type { Taps } from './taps.js'
import type { View } from './view.js'
import type { Note, Wire } from './wire.js'

/** What a subscription finds when it starts: the notes that come before the live ones, and where those begin. */
export interface Beginning {
  readonly notes: Iterable<Note>
  readonly position: Position
  readonly recovered: boolean
}

/**
 * The ticks of a channel, or of one key of a basket, seen through one view. It watches the channel while somebody has
 * a line to it, so a channel that nobody watches costs nothing.
 */
export class Feed implements Source {
  readonly channel: string
  readonly key: string | undefined
  readonly view: View | undefined
  readonly #channels: PlainChannels
  readonly #taps: Taps
  readonly #isWholeBasket: boolean
  readonly #copy: CopyWatch | undefined
  readonly #onIdle: () => void
  readonly #lines = new Map<string, Line>()
  #stop: (() => void) | undefined
  #position: Position | undefined

  constructor(
    channels: PlainChannels,
    taps: Taps,
    channel: string,
    key: string | undefined,
    isBasket: boolean,
    view: View | undefined,
    copy: CopyWatch | undefined,
    onIdle: () => void,
  ) {
    this.#channels = channels
    this.#taps = taps
    this.channel = channel
    this.key = key
    this.#isWholeBasket = isBasket && key === undefined
    this.view = view
    this.#copy = copy
    this.#onIdle = onIdle
  }

  /** The line of this form and mode. */
  line(wire: Wire, mode: DeliveryMode): Line {
    const id = `${mode} ${wire.id}`
    let line = this.#lines.get(id)
    if (line === undefined) {
      line = new Line(this, wire, mode)
      this.#lines.set(id, line)
    }
    return line
  }

  /** Where the last tick is; of a whole basket, the sum over its keys. */
  get position(): Position | undefined {
    return this.#position
  }

  /** Version of the state that readers keep a copy of, where they do. */
  get stateVersion(): string | undefined {
    return this.#copy?.version
  }

  /** @returns whether there was something to look at */
  checkCopy(): boolean {
    return this.#copy?.check() ?? false
  }

  /**
   * What comes before the ticks from now on.
   * @throws ChannelsError when the channel cannot be watched.
   */
  beginning(from: From): Beginning {
    const watch = this.#channels.watch(this.channel, this.key, () => undefined, { from })
    watch.stop()
    this.#position = watch.position
    const isSnapshot = from === 'snapshot' || !watch.recovered
    const initial = (isSnapshot ? this.view?.lastTicks() : undefined) ?? watch.initial
    return {
      notes: this.#beginningNotes(initial, watch.position, isSnapshot),
      position: watch.position,
      recovered: watch.recovered,
    }
  }

  *#beginningNotes(
    initial: readonly ChannelTick[],
    position: Position,
    isSnapshot: boolean,
  ): Generator<Note> {
    let offset = position.offset - initial.length
    for (const tick of initial) {
      offset++
      const place = this.#placeOf(tick, { epoch: position.epoch, offset }, isSnapshot)
      const note = this.#noteOf(tick, isSnapshot, place)
      if (note !== undefined) yield note
    }
    if (isSnapshot) yield { type: 'snapshotEnd', position }
  }

  /** Starts the watch, if it does not run yet. */
  open(): void {
    if (this.#stop !== undefined) return
    this.#stop = this.#taps.tap(this.channel, this.key, (tick, place) => this.#onTick(tick, place))
    this.#copy?.open((version) => this.#tell({ type: 'state', version }))
  }

  /** Forgets a line that nobody takes any more, and stops the watch with the last of them. */
  release(line: Line): void {
    this.#lines.delete(`${line.mode} ${line.wire.id}`)
    if (this.#lines.size > 0) return
    this.#stop?.()
    this.#stop = undefined
    this.#copy?.close()
    this.#onIdle()
  }

  #onTick(tick: ChannelTick, ofBasket: Position): void {
    const place = this.#placeOf(tick, ofBasket, false)
    this.#position = place
    const note = this.#noteOf(tick, false, place)
    if (note !== undefined) this.#tell(note)
    this.#copy?.ticked(tick)
  }

  #tell(note: Note): void {
    for (const line of this.#lines.values()) line.tell(note)
  }

  /**
   * Where a tick is, for who wants to resume: ticks of a whole basket are counted over all its keys, and its snapshot
   * is no place to resume from.
   */
  #placeOf(tick: ChannelTick, ofBasket: Position, isSnapshot: boolean): Position | undefined {
    if (!this.#isWholeBasket) return tick.position
    return isSnapshot ? undefined : ofBasket
  }

  #noteOf(
    tick: ChannelTick,
    isSnapshot: boolean,
    position: Position | undefined,
  ): Note | undefined {
    const { key } = tick
    if (tick.removed && key !== undefined) {
      return this.view?.sees(tick) === false ? undefined : { type: 'removed', key, position }
    }
    const json = this.view === undefined ? tick.json : this.view.json(tick)
    if (json === undefined) return undefined
    const kind = key === undefined ? tick.kind : 'single'
    return { type: 'data', key, kind, json, position, isSnapshot }
  }
}
