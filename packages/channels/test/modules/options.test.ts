import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { channel, defineChannels, Gateway } from '../../src/index.js'
import {
  addToOutput,
  fileDrop,
  graphDescription,
  heartbeat,
  jsonLinesReplayer,
  jsonLinesWriter,
  log,
  mirror,
  print,
  sqlSink,
  stats,
  webhook,
} from '../../src/modules/index.js'
import { type Any, loose } from '../support.js'
import { keepingLogger } from './support.js'

const folder = { channel: 'orders', folder: 'inbox' }
const file = { path: 'ticks.jsonl' }
const table = { database: ':memory:', tables: [{ channel: 'orders' }] }
const hook = { url: 'http://127.0.0.1/' }
const { logger } = keepingLogger()

const wrong: readonly (readonly [(options: Any) => unknown, object, RegExp])[] = [
  [
    log,
    {},
    /log: logger is pino, which "npm install pino" brings, or anything with its method info, not un/,
  ],
  [log, { logger, level: 'trace' }, /log: logger is pino.*, or anything with its method trace/],
  [log, { logger, states: 'orders' }, /log: states is a list/],
  [print, { write: 'stdout' }, /print: write is a function, not "stdout"/],
  [graphDescription, { write: {} }, /graphDescription: write is a function/],
  [heartbeat, { interval: 0 }, /heartbeat: interval is 1 or more/],
  [heartbeat, { channel: '' }, /heartbeat: channel is a text, and not empty/],
  [stats, { intervalMs: '1s' }, /stats: intervalMs is 1 or more/],
  [jsonLinesWriter, {}, /jsonLinesWriter: path is a text, and not empty, not undefined/],
  [jsonLinesWriter, { ...file, append: 'yes' }, /jsonLinesWriter: append is true or false/],
  [jsonLinesWriter, { ...file, from: 'soon' }, /jsonLinesWriter: from is a time/],
  [jsonLinesReplayer, { path: 5 }, /jsonLinesReplayer: path is a text/],
  [jsonLinesReplayer, { ...file, logger: console.log }, /jsonLinesReplayer: logger is a logger/],
  [mirror, {}, /mirror: source is the path of a file, or a function/],
  [mirror, { source: 'a', pollMs: Number.NaN }, /mirror: pollMs is 1 or more, not NaN/],
  [fileDrop, { channel: 'orders' }, /fileDrop: folder is a text/],
  [fileDrop, { ...folder, format: 'xml' }, /fileDrop: format is json, jsonLines, csv, parquet, or/],
  [fileDrop, { ...folder, match: '*.csv' }, /fileDrop: match is a regular expression/],
  [fileDrop, { ...folder, pollMs: 0 }, /fileDrop: pollMs is 1 or more/],
  [fileDrop, { ...folder, key: 5 }, /fileDrop: key is a text, or a function/],
  [sqlSink, { tables: [] }, /sqlSink: database is the path of a DuckDB file, or a function/],
  [sqlSink, { ...table, tables: { channel: 'orders' } }, /sqlSink: tables is a list/],
  [sqlSink, { ...table, tables: [{ channel: 'a', columns: { x: 5 } }] }, /sqlSink: tables is a/],
  [sqlSink, { ...table, batch: 0 }, /sqlSink: batch is 1 or more/],
  [sqlSink, { ...table, retries: Number.NaN }, /sqlSink: retries is a number, 0 or more/],
  [sqlSink, { ...table, overflow: 'drop' }, /sqlSink: overflow is 'dropOldest' or 'fail'/],
  [webhook, {}, /webhook: url is a text/],
  [webhook, { url: '/hook' }, /webhook: the url is absolute, not "\/hook"/],
  [webhook, { url: 'ftp://example.test/' }, /webhook: the url begins with http: or https:/],
  [webhook, { url: 'http://me:secret@example.test/' }, /webhook: the url has no user or password/],
  [webhook, { ...hook, method: 'GET' }, /webhook: no request can be made: .*GET/],
  [webhook, { ...hook, headers: { 'no header': '1' } }, /webhook: no request can be made/],
  [webhook, { ...hook, maxPending: 0 }, /webhook: maxPending is 1 or more/],
  [webhook, { ...hook, timeoutMs: -1 }, /webhook: timeoutMs is 1 or more/],
]

describe('an option of a module that is of another kind is refused at once, by name', () => {
  test.each(wrong)('%o %o', (make, options, message) => {
    expect(() => make(options)).toThrow(
      expect.objectContaining({
        name: 'ChannelsError',
        code: 'INVALID_OPTION',
        message: expect.stringMatching(message),
      }),
    )
  })

  test('as are options that are none', () => {
    const makers = [
      addToOutput,
      fileDrop,
      graphDescription,
      heartbeat,
      jsonLinesReplayer,
      jsonLinesWriter,
      log,
      mirror,
      print,
      sqlSink,
      stats,
      webhook,
    ] as readonly ((options: Any) => unknown)[]
    for (const make of makers) {
      for (const options of [null, 5, 'text', []]) {
        expect(() => make(options)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
      }
    }
  })

  test('and a selection that is none, when it is wired', async () => {
    const channels = defineChannels({ orders: channel(z.number(), { required: false }) })
    for (const select of ['orders', [5], { include: 'orders' }, 5, null] as Any[]) {
      const gateway = new Gateway({
        channels,
        modules: [loose('other', () => undefined), print({ select })],
      })
      await expect(gateway.simulate()).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        module: 'print',
        message: expect.stringContaining('select is a list of channels'),
      })
    }
  })
})
