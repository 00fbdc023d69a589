import { randomUUID } from 'node:crypto'
import type { ChannelTick, StateChange, StateInfo, StateRecord } from '@gw/channels'
import { isPart, type Rows } from '../rows/rows.js'
import type { PlainChannels } from '../service.js'

/** A state that readers keep a copy of, and the rows that they see of it; `undefined` when that is all. */
export interface CopiedState {
  readonly state: StateInfo
  readonly rows: Rows | undefined
}

/** Between two versions that are told. */
const MIN_INTERVAL_MS = 1_000
/** Between two versions of what cannot be looked at from here. */
const BLIND_INTERVAL_MS = 30_000

/** Revisions of states that other gateways have too: asked for once for all who want to know at about the same time. */
export class SharedRevisions {
  readonly #channels: PlainChannels
  readonly #asked = new Map<string, { readonly atMs: number; readonly revision: Promise<string> }>()

  constructor(channels: PlainChannels) {
    this.#channels = channels
  }

  of(state: string): Promise<string> {
    const atMs = performance.now()
    const before = this.#asked.get(state)
    if (before !== undefined && atMs - before.atMs < MIN_INTERVAL_MS) return before.revision
    const revision = Promise.resolve(this.#channels.stateRevision(state))
    this.#asked.set(state, { atMs, revision })
    return revision
  }
}

/**
 * Notices when a copy of a state that follows the ticks which its readers see is not what the state is. That is when records are put
 * in or taken out without a tick; when a record that they may not see takes the place of one that they saw; when more is kept than
 * they see, so that they cannot count what goes out; and when the rule of rows changes its mind.
 *
 * Where several gateways share the state, none of them sees all of it: there each tick that is hidden counts.
 */
export class CopyWatch {
  readonly #channels: PlainChannels
  readonly #revisions: SharedRevisions
  readonly #state: StateInfo
  readonly #rows: Rows | undefined
  readonly #isShared: boolean
  /** Whether nothing but the revision of the state makes a version: then it is the same for who comes back. */
  readonly #isPlain: boolean
  readonly #seed = randomUUID()
  #changes = 0
  #told = 0
  #timer: NodeJS.Timeout | undefined
  #stop: (() => void) | undefined
  #tell: (version: string) => void = () => undefined
  /** Sum over the records that are seen: another when others are. `undefined` while it is not known. */
  #sum: number | undefined
  #sharedRevision: string | undefined
  #lookedAtMs = 0
  /** Of each key one record is kept, so that one which is seen takes the place of what was seen. */
  readonly #keepsOne: boolean

  constructor(channels: PlainChannels, revisions: SharedRevisions, { state, rows }: CopiedState) {
    this.#channels = channels
    this.#revisions = revisions
    this.#state = state
    this.#rows = rows
    this.#isShared = channels.hear !== undefined
    this.#isPlain = !this.#isShared && rows === undefined
    this.#keepsOne = (state.keep ?? 1) === 1
  }

  get version(): string {
    if (this.#isPlain) return this.#channels.stateRevision(this.#state.name) as string
    return `${this.#seed}.${this.#changes}`
  }

  /** Tells versions from now on. */
  open(tell: (version: string) => void): void {
    this.#tell = tell
    if (this.#isShared) void this.#lookElsewhere()
    else {
      this.#stop = this.#channels.watchState(this.#state.name, (change) => this.#take(change))
      if (this.#hasRule) this.#sum = this.#sumNow()
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#stop?.()
    this.#tell = () => undefined
    // What happens until it is opened again is not seen.
    this.#changes++
  }

  /** Looks whether what is seen is what was seen. @returns whether that took a look */
  check(): boolean {
    if (this.#isShared) void this.#lookElsewhere()
    if (!this.#hasRule) return false
    const nowMs = performance.now()
    if (this.#isShared) {
      if (nowMs - this.#lookedAtMs > BLIND_INTERVAL_MS) {
        this.#lookedAtMs = nowMs
        this.#changed()
      }
      return false
    }
    const sum = this.#sumNow()
    if (this.#sum !== undefined && sum !== this.#sum) this.#changed()
    this.#sum = sum
    return true
  }

  /** A tick of the channel has been told, as far as it is seen. */
  ticked(tick: ChannelTick): void {
    if (!this.#isShared || this.#rows === undefined || tick.removed) return
    const seen = this.#rows.seen(tick)
    if (seen === undefined || isPart(seen)) this.#changed()
  }

  get #hasRule(): boolean {
    return this.#rows?.isFiltered === true
  }

  #take({ came, replaced, evicted }: StateChange): void {
    if (came === undefined) {
      // Many of those may come one after the other, so the sum waits for the next look.
      this.#sum = undefined
      this.#changed()
      return
    }
    if (this.#rows === undefined) return
    const isSeen = this.#sees(came)
    if (isSeen) this.#count(markOf(came.record))
    if (this.#leaves(replaced) && !(isSeen && this.#keepsOne)) this.#changed()
    // Who does not see all cannot count how many there are.
    if (this.#leaves(evicted)) this.#changed()
  }

  /** Whether a record that goes out was seen. */
  #leaves(gone: StateRecord | undefined): boolean {
    if (gone === undefined || !this.#sees(gone)) return false
    this.#count(-markOf(gone.record))
    return true
  }

  #count(mark: number): void {
    if (this.#sum !== undefined) this.#sum = (this.#sum + mark) >>> 0
  }

  #sees({ record, key }: StateRecord): boolean {
    return this.#rows?.isVisible(record, this.#state.channel, key) !== false
  }

  #sumNow(): number {
    let sum = 0
    const { name } = this.#state
    void this.#channels.count(name, {}, (record, channel, key) => {
      if (this.#rows?.isVisible(record, channel, key) === true) sum = (sum + markOf(record)) >>> 0
      return false
    })
    return sum
  }

  /** Records move between gateways without a tick. */
  async #lookElsewhere(): Promise<void> {
    try {
      const revision = await this.#revisions.of(this.#state.name)
      if (this.#sharedRevision !== undefined && this.#sharedRevision !== revision) this.#changed()
      this.#sharedRevision = revision
    } catch {
      // While records move it cannot be said; there is a next time.
    }
  }

  /** Tells a new version: at once, or as soon as it may. */
  #changed(): void {
    this.#changes++
    if (this.#timer === undefined) this.#tellNow()
  }

  #tellNow(): void {
    this.#told = this.#changes
    this.#tell(this.version)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#told !== this.#changes) this.#tellNow()
    }, MIN_INTERVAL_MS).unref()
  }
}

const MARKS = new WeakMap<object, number>()

/** A number that tells a record from another. */
function markOf(record: unknown): number {
  if (typeof record !== 'object' || record === null) return 1
  let mark = MARKS.get(record)
  if (mark === undefined) {
    mark = Math.floor(Math.random() * 2 ** 32)
    MARKS.set(record, mark)
  }
  return mark
}
