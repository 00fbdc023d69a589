import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Edge, sink, type Timestamp, timestampOf } from '@gw/core'
import type { Module } from '../module.js'
import { BOOLEAN, checkModuleOptions, required, TEXT } from './check-options.js'
import { type Entry, entriesOf } from './entries.js'
import { lineOf } from './recorded-cycles.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** Options of {@link jsonLinesWriter}. */
export interface JsonLinesWriterOptions {
  /** The file; its folder is made when there is none. */
  readonly path: string
  /** @defaultValue all channels */
  readonly select?: ChannelSelection
  /** Whether it goes on where the file ends; otherwise the file begins anew. @defaultValue true */
  readonly append?: boolean
  /** Cycles before this engine time are not written. */
  readonly from?: Timestamp | string
}

/**
 * Writes each cycle in which a channel ticks as a line of JSON: `{"orders":{…},"prices":{"AAPL":{…}},"csp_engine_timestamp":"…"}`, without
 * those that did not tick. Lines are written when I/O gets its turn, and synced at the end of the run. A disk that is full is an
 * error of the module; a file that is removed begins anew.
 * @throws ChannelsError `INVALID_OPTION`.
 */
export function jsonLinesWriter(options: JsonLinesWriterOptions): Module {
  checkModuleOptions('jsonLinesWriter', options, {
    path: required(TEXT),
    append: BOOLEAN,
    from: { holds: isTime, what: 'a time: microseconds, or ISO 8601' },
  })
  const { path, select, append = true, from } = options
  const start = typeof from === 'string' ? timestampOf(from) : (from ?? Number.NEGATIVE_INFINITY)
  return {
    name: 'json-lines-writer',
    requires: [],
    connect(c) {
      const names = selectChannels(c, select)
      const baskets = new Set(names.filter((name) => c.definitionOf(name).kind === 'basket'))
      const channels: { readonly [name: string]: Edge<readonly Entry[]> } = Object.fromEntries(
        names.map((name) => [name, entriesOf(c, name)]),
      )
      if (names.length === 0) return
      sink('write', { channels }, (inputs, context) => {
        const file = new LineFile(path, append)
        context.onStop(() => file.close())
        return () => {
          if (context.now < start) return
          const ticks: Record<string, unknown> = {}
          for (const [name, { ticked, value }] of Object.entries(inputs.channels)) {
            if (ticked) ticks[name] = baskets.has(name) ? byKey(value) : value[0]?.value
          }
          file.write(lineOf({ time: context.now, ticks }))
        }
      })
    },
  }
}

function isTime(value: unknown): boolean {
  if (typeof value !== 'string') return Number.isSafeInteger(value)
  try {
    timestampOf(value)
    return true
  } catch {
    return false
  }
}

function byKey(entries: readonly Entry[]): { readonly [key: string]: unknown } {
  return Object.fromEntries(entries.map(({ key, value, removed }) => [key, removed ? null : value]))
}

const WRITE_AT = 64 * 2 ** 10

/** Lines on their way to a file. */
class LineFile {
  readonly #path: string
  #file: number
  #waiting = ''
  #turn: NodeJS.Immediate | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(path: string, append: boolean) {
    this.#path = path
    this.#file = opened(path, append)
    if (append && isTorn(this.#file)) this.#waiting = '\n'
  }

  write(line: string): void {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#waiting += line
    if (this.#waiting.length >= WRITE_AT) this.#flush()
    else this.#turn ??= setImmediate(this.#onTurn)
  }

  close(): void {
    try {
      if (this.#failure !== undefined) throw this.#failure.error
      this.#flush()
      fsyncSync(this.#file)
    } finally {
      clearImmediate(this.#turn)
      closeSync(this.#file)
    }
  }

  readonly #onTurn = (): void => {
    try {
      this.#flush()
    } catch (error) {
      this.#failure = { error }
    }
  }

  #flush(): void {
    clearImmediate(this.#turn)
    this.#turn = undefined
    // Of a file that somebody has removed nothing would be left.
    if (fstatSync(this.#file).nlink === 0) {
      closeSync(this.#file)
      this.#file = opened(this.#path, true)
    }
    let bytes = Buffer.from(this.#waiting)
    this.#waiting = ''
    while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#file, bytes))
  }
}

function opened(path: string, append: boolean): number {
  mkdirSync(dirname(path), { recursive: true })
  return openSync(path, append ? 'a+' : 'w')
}

/** Whether a file ends in the middle of a line, as a crash may leave it. */
function isTorn(file: number): boolean {
  const { size } = fstatSync(file)
  if (size === 0) return false
  const last = Buffer.alloc(1)
  readSync(file, last, 0, 1, size - 1)
  return last[0] !== 0x0a
}
