import { mkdir, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import {
  basketNode,
  type Edge,
  multiNode,
  type NodeContext,
  node,
  type PushSource,
  push,
} from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { Channels } from '../channels.js'
import { ChannelsError } from '../errors.js'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { BOOLEAN, COUNT, checkModuleOptions, LOGGER, required, TEXT } from './check-options.js'
import {
  type FileFormat,
  type FileReader,
  formatOf,
  READERS,
  UnreadableRecord,
} from './file-formats.js'
import { FileLedger, type SeenFile } from './file-ledger.js'
import { complete, unknownKey } from './inputs.js'

/** Options of {@link fileDrop}. */
export interface FileDropOptions {
  /** The channel that the records tick on: one at a time, or a file as one list where it is a list channel. */
  readonly channel: string
  /** Of a basket: the key that the records tick on, or what says it of a record as it was read, and of the name of its file. */
  readonly key?: string | ((record: unknown, file: string) => string)
  /** Folder in which files appear; it is made when there is none. */
  readonly folder: string
  /** @defaultValue what the end of a file's name says: .json, .jsonl, .ndjson, .csv, .parquet; other files are left alone */
  readonly format?: FileFormat | FileReader
  /** Names of the files to read. @defaultValue those of a known format, and all with a `format`; none that begins with a dot */
  readonly match?: RegExp
  /** Whether records keep the ids and timestamps that they bring. @defaultValue false */
  readonly keepIds?: boolean
  /** How often the folder is looked at. A file is read when it has not changed from one look to the next. @defaultValue 250 */
  readonly pollMs?: number
  /** Where it is written down what has been read; of each drop its own. @defaultValue a hidden file in the folder, of the channel's name */
  readonly ledger?: string
  readonly logger?: Logger
}

/** A record on its way into the engine. */
interface Dropped {
  readonly record: unknown
  readonly file: string
  /** From 1 on. */
  readonly number: number
}

/** Ledgers of drops that run: two that wrote one would each forget what the other has read. */
const openLedgers = new Set<string>()

const MAX_PENDING = 1_000
/** Records after which it is written down how far a file has been read. */
const NOTE_EVERY = 10_000

/**
 * Reads the files that appear in a folder, in the order of their names, each once, also across restarts: it is written down what
 * has been read, and how far. Only after a crash records may come again, those since the last note. A file that changes is a new
 * one, so write it elsewhere and move it in. A record that is wrong is logged and left out; a file that cannot be read, from there
 * on. Real time only.
 * @throws ChannelsError `INVALID_OPTION`.
 * @example `fileDrop({ channel: 'orders', folder: 'inbox' })`
 */
export function fileDrop(options: FileDropOptions): Module {
  checkModuleOptions('fileDrop', options, {
    channel: required(TEXT),
    folder: required(TEXT),
    key: { holds: isTextOrFunction, what: 'a text, or a function of a record' },
    format: {
      holds: (value) => typeof value === 'function' || Object.hasOwn(READERS, String(value)),
      what: `${Object.keys(READERS).join(', ')}, or a function that reads a file`,
    },
    match: { holds: (value) => value instanceof RegExp, what: 'a regular expression' },
    keepIds: BOOLEAN,
    pollMs: COUNT,
    ledger: TEXT,
    logger: LOGGER,
  })
  const { channel, folder, keepIds = false, pollMs = 250, logger = consoleLogger } = options
  const ledgerPath = options.ledger ?? join(folder, `.file-drop-${channel}.jsonl`)
  let drop: PushSource<Dropped>
  let isList = false
  let closing = new AbortController()
  let watching: Promise<void> | undefined
  let isEngineLive: () => boolean = () => true

  const readerOf = (name: string): FileReader | undefined => {
    const format = options.format ?? formatOf(name)
    return typeof format === 'string' ? READERS[format] : format
  }
  const isMatched = (name: string): boolean =>
    options.match === undefined
      ? !name.startsWith('.') && readerOf(name) !== undefined
      : name.search(options.match) !== -1

  /** Waits until what was pushed is through. @returns whether it is. */
  const through = async (pending = 0): Promise<boolean> => {
    while (drop.pending > pending) {
      if (!isEngineLive()) return false
      await nextTurn()
    }
    return true
  }

  const read = async (file: SeenFile, ledger: FileLedger): Promise<void> => {
    const { name } = file
    const before = ledger.recordsOf(file)
    let number = 0
    const give = async (record: unknown): Promise<void> => {
      await through(MAX_PENDING - 1)
      drop.push({ record, file: name, number })
    }
    try {
      const records = (readerOf(name) as FileReader)(join(folder, name))
      const list: unknown[] = []
      for await (const record of records) {
        number++
        if (number <= before) continue
        if (isList) list.push(record)
        else await give(record)
        if (closing.signal.aborted && !isList) break
        if (number % NOTE_EVERY === 0 && !isList && (await through())) {
          await ledger.note(file, number, false)
        }
      }
      if (isList) await give(list)
    } catch (error) {
      if (!isEngineLive()) return
      if (number === 0 && isPassing(error)) throw error
      logger.error({ err: error, file: name, records: number }, `${folder}: a file cannot be read`)
    }
    if (await through()) await ledger.note(file, number, !closing.signal.aborted || isList)
  }

  const watch = async (ledger: FileLedger, signal: AbortSignal): Promise<void> => {
    let seen = new Map<string, SeenFile>()
    const told = new Set<string>()
    const tell = (error: unknown, what: string): void => {
      if (!told.has(what))
        logger.error({ err: error }, `${what} cannot be read now, and is tried again`)
      told.add(what)
    }
    while (!signal.aborted && isEngineLive()) {
      const now = await filesIn(folder, isMatched).catch((error: unknown) => tell(error, folder))
      for (const file of now?.values() ?? []) {
        if (signal.aborted || ledger.isDone(file) || !isSame(seen.get(file.name), file)) continue
        await read(file, ledger).catch((error: unknown) => tell(error, join(folder, file.name)))
      }
      seen = now ?? new Map()
      await pause(pollMs, undefined, { signal }).catch(() => undefined)
    }
  }

  return {
    name: `file-drop ${channel}`,
    connect(c) {
      const definition = c.definitionOf(channel)
      isList = definition.kind === 'list'
      checkKey(c, channel, options.key)
      drop = push<Dropped>(c.graph, 'nonCollapsing', { name: 'drop', maxPending: MAX_PENDING })
      setFromFiles(c, channel, drop.edge, (context, { record, file, number }) => {
        try {
          if (record instanceof UnreadableRecord) throw record.error
          const key = typeof options.key === 'function' ? options.key(record, file) : options.key
          if (key !== undefined) checkKey(c, channel, key)
          return { key, value: complete(context, channel, definition, record, { keepIds }) }
        } catch (error) {
          logger.warn({ err: error, file, record: number }, `${folder}: a record is left out`)
          return undefined
        }
      })
    },
    async start(gateway) {
      await mkdir(folder, { recursive: true })
      const names = new Set(await readdir(folder))
      if (openLedgers.has(resolve(ledgerPath))) {
        throw new ChannelsError(
          'INVALID_OPTION',
          `another file drop writes down in ${ledgerPath} what it has read: give one of them a ledger of its own`,
          { module: `file-drop ${channel}`, channel },
        )
      }
      openLedgers.add(resolve(ledgerPath))
      const free = (): boolean => openLedgers.delete(resolve(ledgerPath))
      try {
        const ledger = await FileLedger.open(ledgerPath, (name) => names.has(name))
        isEngineLive = () => gateway.health.live
        closing = new AbortController()
        watching = watch(ledger, closing.signal).finally(free)
      } catch (error) {
        free()
        throw error
      }
    },
    async stop() {
      closing.abort()
      await watching
    },
  }
}

function isTextOrFunction(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'function'
}

/** @throws ChannelsError `INVALID_OPTION`, `UNKNOWN_KEY`. */
function checkKey(
  channels: Channels<AnyChannels>,
  channel: string,
  key: FileDropOptions['key'],
): void {
  const shape = channels.shapeOf(channel as never)
  const isBasket = shape === 'basket' || shape === 'dynamicBasket'
  if (isBasket !== (key !== undefined)) {
    throw new ChannelsError(
      'INVALID_OPTION',
      isBasket
        ? `"${channel}" is a basket: say with \`key\` on which of its keys the files' records tick`
        : `"${channel}" is no basket: leave \`key\` out`,
      { channel },
    )
  }
  if (typeof key !== 'string' || shape !== 'basket') return
  const keys: readonly string[] = channels.keysOf(channel as never)
  if (!keys.includes(key)) throw unknownKey(channel, key, keys)
}

/** Sets a channel, or the keys of a basket, to what `take` makes of what is dropped. */
function setFromFiles(
  channels: Channels<AnyChannels>,
  channel: string,
  dropped: Edge<Dropped>,
  take: (
    context: NodeContext,
    dropped: Dropped,
  ) => { readonly key: string | undefined; readonly value: unknown } | undefined,
): void {
  const set = channels.setChannel.bind(channels) as (name: string, edge: unknown) => void
  const shape = channels.shapeOf(channel as never)
  if (shape === 'dynamicBasket') {
    const basket = basketNode<string, unknown>()
    set(
      channel,
      basket('complete', { dropped }, ({ dropped }, elements, context) => () => {
        const taken = take(context, dropped.value)
        if (taken?.key !== undefined) elements.emit(taken.key, taken.value)
      }),
    )
  } else if (shape === 'basket') {
    const keys: readonly string[] = channels.keysOf(channel as never)
    const keyed = multiNode<Record<string, unknown>>()
    set(
      channel,
      keyed('complete', { dropped }, keys, ({ dropped }, outputs, context) => () => {
        const taken = take(context, dropped.value)
        if (taken?.key !== undefined) outputs[taken.key]?.emit(taken.value)
      }),
    )
  } else {
    set(
      channel,
      node(
        'complete',
        { dropped },
        ({ dropped }, context) =>
          () =>
            take(context, dropped.value)?.value,
      ),
    )
  }
}

async function filesIn(
  folder: string,
  isMatched: (name: string) => boolean,
): Promise<Map<string, SeenFile>> {
  const files = new Map<string, SeenFile>()
  for (const name of (await readdir(folder)).sort()) {
    if (!isMatched(name)) continue
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found?.isFile() !== true) continue
    files.set(name, { name, size: found.size, mtimeMs: found.mtimeMs })
  }
  return files
}

function isSame(a: SeenFile | undefined, b: SeenFile): boolean {
  return a?.size === b.size && a.mtimeMs === b.mtimeMs
}

/** It may be there, or free, or allowed, at the next look. */
function isPassing(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return ['ENOENT', 'EACCES', 'EPERM', 'EBUSY', 'EMFILE', 'MISSING_PACKAGE'].includes(code)
}
