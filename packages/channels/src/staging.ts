import { ChannelsError } from './errors.js'
import type { StageAnswer } from './live.js'
import type { Mint } from './mint.js'
import { shown } from './shown.js'

/** What happened to a staging: it was opened, a record came or went, it was emptied or dropped (no items), or released. */
export type StagingAction = 'CREATED' | 'ADDED' | 'REMOVED' | 'RELEASED'

/** Tells of one change of one staging. */
export interface StagingEvent<T = unknown> {
  readonly id: string
  readonly timestamp: string
  readonly channel: string
  readonly stagingId: string
  readonly action: StagingAction
  readonly items: readonly T[]
}

/** Asks for a change of stagings from within the graph; no `stagingIds` means the newest, an empty list all. */
export interface StagingRequest<T = unknown> {
  /** `CREATED` opens one; `ADDED` and `REMOVED` do so with each item, `REMOVED` without items clears; `RELEASED` releases. */
  readonly action: StagingAction
  readonly stagingIds?: readonly string[]
  readonly items?: readonly T[]
}

/** A change of stagings, as it is asked for from outside. */
export type StagingChange =
  | { readonly action: 'add'; readonly records: readonly unknown[]; readonly ids?: StagingIds }
  | { readonly action: 'remove'; readonly recordId?: string | undefined; readonly ids?: StagingIds }
  | { readonly action: 'release'; readonly ids?: StagingIds }

type StagingIds = readonly string[] | undefined

/** How much can be staged on one channel. */
export interface StagingLimits {
  readonly maxStagings: number
  readonly maxRecords: number
}

/** What a staging does to the outside of it. */
export interface StagingEffects {
  readonly mint: Mint
  /** Ticks what was released; of a list channel all as one list. Throws when there is no room, before anything is changed. */
  readonly release: (areas: readonly (readonly Record[])[]) => void
  readonly tell: (events: readonly StagingEvent[]) => void
}

interface Record {
  readonly id?: unknown
}

interface Area {
  readonly id: string
  /** They are numbered as they are opened. */
  readonly number: number
  records: Record[]
}

/**
 * Records of one channel that are held back until they are released, in stagings: oldest staging first, the newest is the
 * one that was opened last. Each operation is done as a whole or not at all.
 */
export class Staging {
  readonly channel: string
  readonly #areas = new Map<string, Area>()
  readonly #limits: StagingLimits
  readonly #effects: StagingEffects
  #records = 0
  #opened = 0
  #events: StagingEvent[] = []
  #restores = 0
  /** Takes what nodes of the graph ask for, where it is not done here. */
  takesRequests: ((request: StagingRequest) => void) | undefined

  constructor(channel: string, limits: StagingLimits, effects: StagingEffects) {
    this.channel = channel
    this.#limits = limits
    this.#effects = effects
  }

  /** Ids of the stagings, or the one that is asked for when it is there. */
  list(id?: string): readonly string[] {
    if (id !== undefined) return this.#areas.has(id) ? [id] : []
    return [...this.#areas.keys()]
  }

  /** Records by staging. */
  lookup(id?: string): StageAnswer<unknown> {
    return this.#answer(this.list(id))
  }

  /** Records by staging of what {@link release} would release. */
  held(ids?: readonly string[]): StageAnswer<unknown> {
    const areas = ids === undefined ? this.#all() : this.#named(ids)
    return Object.fromEntries(areas.map(({ id, records }) => [id, records]))
  }

  /** Records by staging that are there and that a change would replace, take out, drop or release; of a record's id, wherever it is. */
  touched(change: StagingChange): StageAnswer<unknown> {
    const { action, ids } = change
    if (action === 'release') return this.held(ids)
    if (action === 'remove' && change.recordId === undefined) {
      return this.#answer(this.#cleared(ids).map(({ id }) => id))
    }
    const recordIds = new Set<unknown>(
      action === 'add' ? change.records.map((one) => idOf(one as Record)) : [change.recordId],
    )
    recordIds.delete(undefined)
    const found = this.#all().map(
      ({ id, records }) => [id, records.filter((one) => recordIds.has(idOf(one)))] as const,
    )
    return Object.fromEntries(found.filter(([, records]) => records.length > 0))
  }

  /** Has these be the stagings, the oldest first. Nobody is told, and what is being released elsewhere is not staged again. */
  restore(stagings: Iterable<readonly [id: string, records: readonly unknown[]]>): void {
    this.#restores++
    this.#areas.clear()
    this.#records = 0
    for (const [id, records] of stagings) {
      this.#areas.set(id, { id, number: this.#opened++, records: [...records] as Record[] })
      this.#records += records.length
    }
  }

  /**
   * Opens a staging, or adds records: to the newest staging; with `[]` to each that lacks the record, or else to a new one;
   * or to the named ones. A record of an id that is there already takes its place.
   */
  add(records: readonly Record[], ids?: readonly string[]): StageAnswer<unknown> {
    if (records.length === 0) {
      if (ids !== undefined && ids.length > 0) {
        throw misuse(this.channel, 'Cannot specify staging_ids without a struct to add')
      }
      this.#makeRoom(1, 0)
      const area = this.#open()
      this.#tell()
      return this.#answer([area.id])
    }
    for (const id of ids ?? []) {
      if (!this.#areas.has(id)) throw misuse(this.channel, `Staging ID not found: ${id}`)
    }
    const isToAll = ids?.length === 0
    const opensOne =
      this.#areas.size === 0 ||
      (isToAll && records.some((record) => this.#all().every((area) => holds(area, idOf(record)))))
    const copies = ids === undefined ? 1 : isToAll ? Math.max(1, this.#areas.size) : ids.length
    this.#makeRoom(opensOne ? 1 : 0, records.length * copies)
    const touched = new Set<string>()
    for (const record of records) {
      for (const area of this.#areasFor(record, ids)) {
        this.#put(area, record)
        touched.add(area.id)
      }
    }
    this.#tell()
    return this.#answer([...touched])
  }

  /**
   * Without a record: drops the newest staging, or all with `[]`, or empties the named ones. With the id of a record: takes it
   * out of the newest staging that has it, or of all with `[]`, or of the named ones. What is not there is passed over.
   */
  remove(recordId: string | undefined, ids?: readonly string[]): StageAnswer<unknown> {
    const touched: Area[] = []
    if (recordId === undefined) {
      const isNamed = ids !== undefined && ids.length > 0
      for (const area of this.#cleared(ids)) {
        touched.push(area)
        for (const record of area.records) this.#note(area, 'REMOVED', [record])
        this.#records -= area.records.length
        area.records = []
        if (isNamed) continue
        this.#note(area, 'REMOVED', [])
        this.#areas.delete(area.id)
      }
    } else {
      const areas =
        ids === undefined
          ? this.#all().reverse()
          : ids.length === 0
            ? this.#all()
            : this.#named(ids)
      for (const area of areas) {
        const at = area.records.findIndex((record) => idOf(record) === recordId)
        if (at === -1) continue
        this.#note(area, 'REMOVED', area.records.splice(at, 1))
        this.#records--
        touched.push(area)
        if (ids === undefined) break
      }
    }
    this.#tell()
    return Object.fromEntries(touched.map(({ id, records }) => [id, [...records]]))
  }

  /** Ticks the records of all stagings, or of the named ones, in order, and drops these. */
  release(ids?: readonly string[]): StageAnswer<unknown> {
    const areas = ids === undefined ? this.#all() : this.#named(ids)
    this.#effects.release(areas.map(({ records }) => records))
    for (const area of areas) {
      this.#note(area, 'RELEASED', area.records)
      this.#records -= area.records.length
      this.#areas.delete(area.id)
    }
    this.#tell()
    return Object.fromEntries(areas.map(({ id, records }) => [id, records]))
  }

  /**
   * As {@link release}, but `ticks` has the records tick, and tells which of them have. Meanwhile the stagings are not there; records that
   * have not ticked are staged again where they were, all of them when it fails.
   */
  async releaseElsewhere(
    ids: readonly string[] | undefined,
    ticks: (held: StageAnswer<unknown>) => Promise<ReadonlySet<unknown>>,
  ): Promise<StageAnswer<unknown>> {
    const areas = ids === undefined ? this.#all() : this.#named(ids)
    const held = areas.map(({ id, records }) => [id, [...records]] as const)
    for (const { id } of areas) this.#areas.delete(id)
    const restores = this.#restores
    let ticked: ReadonlySet<unknown> | undefined
    try {
      ticked = await ticks(Object.fromEntries(held))
    } finally {
      if (restores === this.#restores) this.#stageAgain(areas, ticked)
    }
    return Object.fromEntries(
      held.map(([id, records]) => [id, records.filter((record) => ticked.has(record))]),
    )
  }

  /** Drops what has been released elsewhere: of each staging the records that are as these, and itself when none is left. */
  released(stagings: StageAnswer<unknown>): void {
    for (const area of this.#named(Object.keys(stagings))) {
      const texts = (stagings[area.id] as readonly unknown[]).map((one) => JSON.stringify(one))
      const ticked = area.records.filter((record) => {
        const at = texts.indexOf(JSON.stringify(record))
        if (at !== -1) texts.splice(at, 1)
        return at !== -1
      })
      if (this.#isReleased(area, new Set(ticked))) this.#areas.delete(area.id)
    }
    this.#tell()
  }

  /** Does what a node of the graph asks for. */
  request(request: StagingRequest): void {
    const { action, stagingIds, items = [] } = request
    if (!ACTIONS.has(action)) {
      throw misuse(
        this.channel,
        `a stage request of "${this.channel}" has the action CREATED, ADDED, REMOVED or RELEASED, not ${shown(action)}`,
      )
    }
    if (this.takesRequests !== undefined) {
      this.takesRequests(request)
      return
    }
    switch (action) {
      case 'CREATED':
        this.add([])
        return
      case 'ADDED':
        if (items.length > 0) this.add(items as readonly Record[], stagingIds)
        return
      case 'REMOVED':
        if (items.length === 0) this.remove(undefined, stagingIds)
        for (const item of items) this.remove(String((item as Record).id), stagingIds)
        return
      case 'RELEASED':
        this.release(stagingIds?.length === 0 ? undefined : stagingIds)
    }
  }

  /** Puts back where they were those of which not all has ticked. */
  #stageAgain(areas: readonly Area[], ticked: ReadonlySet<unknown> | undefined): void {
    const kept = areas.filter((area) => !this.#isReleased(area, ticked))
    const all = [...kept, ...this.#all()].sort((a, b) => a.number - b.number)
    this.#areas.clear()
    for (const area of all) this.#areas.set(area.id, area)
    this.#tell()
  }

  /** Those that a removal without a record empties. */
  #cleared(ids: readonly string[] | undefined): readonly Area[] {
    if (ids === undefined) return this.#newest()
    return ids.length === 0 ? this.#all() : this.#named(ids)
  }

  #areasFor(record: Record, ids: readonly string[] | undefined): readonly Area[] {
    if (ids === undefined) {
      const newest = this.#newest()
      return newest.length > 0 ? newest : [this.#open()]
    }
    if (ids.length > 0) return this.#named(ids)
    const lacking = this.#all().filter((area) => !holds(area, idOf(record)))
    return lacking.length > 0 ? lacking : [this.#open()]
  }

  /** Takes out of a staging what has ticked. @returns whether that was all. */
  #isReleased(area: Area, ticked: ReadonlySet<unknown> | undefined): boolean {
    if (ticked === undefined) return false
    const released = area.records.filter((record) => ticked.has(record))
    const isAll = released.length === area.records.length
    if (isAll || released.length > 0) this.#note(area, 'RELEASED', released)
    this.#records -= released.length
    if (!isAll) area.records = area.records.filter((record) => !ticked.has(record))
    return isAll
  }

  #open(): Area {
    const area: Area = { id: this.#effects.mint.id(), number: this.#opened++, records: [] }
    this.#areas.set(area.id, area)
    this.#note(area, 'CREATED', [])
    return area
  }

  #put(area: Area, record: Record): void {
    const id = idOf(record)
    const at = id === undefined ? -1 : area.records.findIndex((other) => idOf(other) === id)
    if (at === -1) {
      area.records.push(record)
      this.#records++
    } else {
      area.records[at] = record
    }
    this.#note(area, 'ADDED', [record])
  }

  #all(): Area[] {
    return [...this.#areas.values()]
  }

  #newest(): Area[] {
    return this.#all().slice(-1)
  }

  #named(ids: readonly string[]): Area[] {
    return [...new Set(ids)].flatMap((id) => this.#areas.get(id) ?? [])
  }

  #makeRoom(areas: number, records: number): void {
    const { maxStagings, maxRecords } = this.#limits
    if (this.#areas.size + areas > maxStagings || this.#records + records > maxRecords) {
      throw new ChannelsError(
        'OVERLOADED',
        `"${this.channel}" holds ${this.#areas.size} stagings with ${this.#records} records: release or remove some first`,
        { channel: this.channel },
      )
    }
  }

  #note(area: Area, action: StagingAction, items: readonly Record[]): void {
    const { mint } = this.#effects
    this.#events.push({
      id: mint.id(),
      timestamp: mint.timestamp(),
      channel: this.channel,
      stagingId: area.id,
      action,
      items: [...items],
    })
  }

  #tell(): void {
    const events = this.#events
    this.#events = []
    if (events.length > 0) this.#effects.tell(events)
  }

  #answer(ids: readonly string[]): StageAnswer<unknown> {
    return Object.fromEntries(ids.map((id) => [id, [...(this.#areas.get(id)?.records ?? [])]]))
  }
}

const ACTIONS: ReadonlySet<unknown> = new Set<StagingAction>([
  'CREATED',
  'ADDED',
  'REMOVED',
  'RELEASED',
])

/** Of what is no struct, and has no id, each is another one. */
function idOf(record: Record | null): unknown {
  return record === null ? undefined : record.id
}

function holds({ records }: Area, id: unknown): boolean {
  return id !== undefined && records.some((record) => idOf(record) === id)
}

function misuse(channel: string, message: string): ChannelsError {
  return new ChannelsError('STAGING_MISUSE', message, { channel })
}
