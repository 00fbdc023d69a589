import { type Edge, node } from '@gw/core'
import type { z } from 'zod'
import { type EntryRule, ruleOf } from './entry-rule.js'
import { KafkaError } from './errors.js'
import {
  checkShape,
  FUNCTION,
  is,
  isObject,
  methods,
  type RulesOf,
  shown,
  TEXT,
} from './option-rules.js'

/** Values by key that a graph keeps. In a cluster it holds the keys of the partitions that this gateway has, and survives it. */
export interface Store<T> {
  readonly name: string
  readonly size: number
  get(key: string): T | undefined
  /** Values are JSON; they are replaced, not changed. */
  set(key: string, value: T): void
  delete(key: string): void
  entries(): IterableIterator<[key: string, value: T]>
}

/** Options of {@link store}. */
export interface StoreOptions<T> {
  /**
   * What values are. Those that another release has kept are checked and completed by it when a cluster restores them; one that does
   * not fit is told and not restored, and stays in the changelog.
   * @defaultValue anything
   */
  readonly schema?: z.ZodType<T>
}

/**
 * Makes a store: give it to nodes, and to `cluster` so that it survives. Names are unique in a cluster.
 * @throws KafkaError `INVALID_OPTIONS`.
 */
export function store<T>(name: string, options: StoreOptions<T> = {}): Store<T> {
  checkStore(name, options)
  const { schema } = options
  return new KeyedStore<T>(name, schema === undefined ? {} : { rule: ruleOf(schema) })
}

const RULES: RulesOf<StoreOptions<unknown>> = {
  schema: is('a schema of zod 4', (value) => isObject(value) && '_zod' in value),
}

function checkStore(name: unknown, options: unknown): void {
  const problem = TEXT(name, 'the name of a store')
  if (problem !== undefined) throw new KafkaError('INVALID_OPTIONS', problem)
  const call = `store ${shown(name)}`
  checkShape(call, options, { ...RULES }, [])
  const begin = [STATE, STAGINGS, UNIT].find((begin) => String(name).startsWith(begin))
  if (begin === undefined) return
  throw new KafkaError(
    'INVALID_OPTIONS',
    `${call} has a name as those of ${begin.trim()}s are: let it not begin with "${begin}"`,
  )
}

/** What the names of stores begin with that keep states. */
export const STATE = 'state '
/** What the names of stores begin with that keep how far units have come. */
export const UNIT = 'unit '
/** What the names of stores begin with that keep the stagings of a channel. */
export const STAGINGS = 'staging '

/** Options of {@link aggregate}. */
export interface AggregateOptions<T, A> {
  /** Key of a record. */
  readonly by: (record: T) => string
  /** What a key has before its first record. */
  readonly initial: A
  readonly step: (before: A, record: T) => A
}

const STORE = methods('get', 'set')
const AGGREGATE: RulesOf<AggregateOptions<unknown, unknown>> = {
  by: FUNCTION,
  initial: () => undefined,
  step: FUNCTION,
}

/**
 * Folds records by key into a store; ticks what the record's key has come to.
 * @throws KafkaError `INVALID_OPTIONS`.
 * @example
 * ```ts
 * const sums = store<number>('sums')
 * aggregate(c.getChannel('orders'), sums, { by: (o) => o.symbol, initial: 0, step: (sum, o) => sum + o.quantity })
 * ```
 */
export function aggregate<T, A>(
  records: Edge<T>,
  into: Store<A>,
  options: AggregateOptions<T, A>,
): Edge<{ readonly key: string; readonly value: A; readonly record: T }> {
  const problem = STORE(into, 'what aggregate folds into')
  if (problem !== undefined) throw new KafkaError('INVALID_OPTIONS', problem)
  checkShape(`aggregate ${shown(into.name)}`, options, { ...AGGREGATE }, ['by', 'initial', 'step'])
  const { by, initial, step } = options
  return node(`aggregate ${into.name}`, { records }, ({ records }) => () => {
    const record = records.value
    const key = by(record)
    const value = step(into.get(key) ?? initial, record)
    into.set(key, value)
    return { key, value, record }
  })
}

interface Entry<T> {
  value: T
  partition: number
}

/** A key that has changed; `undefined` stands for one that has gone. */
export interface Change {
  readonly key: string
  readonly value: unknown
}

/** Which partition changes belong to: that whose records the engine runs, else that of the key. */
export interface Attribution {
  partition: number | undefined
  readonly partitionOf: (key: string) => number
}

/** Options of a {@link KeyedStore}. */
export interface KeyedStoreOptions {
  /** Whether entries come in the order in which they changed last, the oldest first; else in that of their first change. */
  readonly inOrderOfChange?: boolean
  /** What entries are to be that come from elsewhere. */
  readonly rule?: EntryRule
}

/** A store that knows which partition a key belongs to, and what has changed since it was asked last. */
export class KeyedStore<T = unknown> implements Store<T> {
  readonly name: string
  readonly rule: EntryRule | undefined
  readonly #inOrderOfChange: boolean
  readonly #entries = new Map<string, Entry<T>>()
  readonly #changed = new Map<number, Set<string>>()
  /** Goes on from the oldest entry: what it has passed is gone, or has changed and is behind it again. */
  #oldest: IterableIterator<string> | undefined
  #attribution: Attribution | undefined

  constructor(name: string, { inOrderOfChange = false, rule }: KeyedStoreOptions = {}) {
    this.name = name
    this.rule = rule
    this.#inOrderOfChange = inOrderOfChange
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value
  }

  set(key: string, value: T): void {
    const entry = this.#entries.get(key)
    const { partition } = this.#attribution ?? {}
    if (entry === undefined) {
      const home = partition ?? this.#attribution?.partitionOf(key) ?? 0
      this.#entries.set(key, { value, partition: home })
      this.#note(key, home)
      return
    }
    if (partition !== undefined && partition !== entry.partition) {
      // It is gone where it was.
      this.#note(key, entry.partition)
      entry.partition = partition
    }
    entry.value = value
    this.#note(key, entry.partition)
    if (!this.#inOrderOfChange) return
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#note(key, entry.partition)
  }

  /** Deletes the first entry. @returns its key. */
  deleteOldest(): string | undefined {
    this.#oldest ??= this.#entries.keys()
    const { done, value } = this.#oldest.next()
    if (done === true) {
      this.#oldest = undefined
      return undefined
    }
    this.delete(value)
    return value
  }

  *entries(): IterableIterator<[key: string, value: T]> {
    for (const [key, { value }] of this.#entries) yield [key, value]
  }

  /** The entries of a partition. */
  *of(partition: number): IterableIterator<[key: string, value: T]> {
    for (const [key, entry] of this.#entries) {
      if (entry.partition === partition) yield [key, entry.value]
    }
  }

  /** Begins a run in a cluster, empty. */
  attach(attribution: Attribution): void {
    this.#entries.clear()
    this.#changed.clear()
    this.#oldest = undefined
    this.#attribution = attribution
  }

  /** Puts in what was kept elsewhere. */
  load(key: string, value: T, partition: number): void {
    const { size } = this.#entries
    const entry = { value, partition }
    this.#entries.set(key, entry)
    if (!this.#inOrderOfChange || this.#entries.size > size) return
    // It was there before: it goes behind the others.
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }

  /** Takes out what is gone elsewhere. */
  unload(key: string): void {
    this.#entries.delete(key)
  }

  /** Partitions of which something has changed. */
  get changedPartitions(): Iterable<number> {
    return this.#changed.keys()
  }

  /** What has changed of a partition since this was asked last: each key once. */
  takeChanges(partition: number): readonly Change[] {
    const keys = this.#changed.get(partition)
    if (keys === undefined) return []
    this.#changed.delete(partition)
    return [...keys].map((key) => {
      const entry = this.#entries.get(key)
      return { key, value: entry?.partition === partition ? entry.value : undefined }
    })
  }

  /** Forgets a partition. @returns the keys that have gone. */
  drop(partition: number): readonly string[] {
    this.#changed.delete(partition)
    const keys: string[] = []
    for (const [key, entry] of this.#entries) if (entry.partition === partition) keys.push(key)
    for (const key of keys) this.#entries.delete(key)
    return keys
  }

  #note(key: string, partition: number): void {
    if (this.#attribution === undefined) return
    const keys = this.#changed.get(partition)
    if (keys === undefined) {
      this.#changed.set(partition, new Set([key]))
      return
    }
    if (this.#inOrderOfChange) keys.delete(key)
    keys.add(key)
  }
}
