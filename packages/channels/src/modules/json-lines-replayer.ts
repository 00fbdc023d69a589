import { pull } from '@gw/core'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { BOOLEAN, checkModuleOptions, LOGGER, required, TEXT } from './check-options.js'
import { linesOf } from './lines.js'
import { CycleCursor, checkReadable, setFromCycles } from './recorded-cycles.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** Options of {@link jsonLinesReplayer}. */
export interface JsonLinesReplayerOptions {
  /** A file as `jsonLinesWriter` writes it. */
  readonly path: string
  /** Leave out what the other modules of the gateway compute themselves. @defaultValue all channels */
  readonly select?: ChannelSelection
  /** Whether records keep their ids and timestamps; otherwise they get new ones. @defaultValue true */
  readonly keepIds?: boolean
  readonly logger?: Logger
}

/**
 * Ticks recorded cycles at their own engine times, each in a cycle of its own: in simulation as fast as it goes, in real time by
 * the clock of the gateway. Cycles before the start of the run are left out. Records are validated; a wrong one is an error of
 * the module, and a line that holds no cycle is logged and left out.
 * @throws ChannelsError `INVALID_OPTION` when the wiring finds no file.
 * @example `gateway.simulate({ start: '2026-01-01T00:00:00Z' }) // with modules: [jsonLinesReplayer({ path: 'inputs.jsonl', select: ['orders'] })]`
 */
export function jsonLinesReplayer(options: JsonLinesReplayerOptions): Module {
  checkModuleOptions('jsonLinesReplayer', options, {
    path: required(TEXT),
    keepIds: BOOLEAN,
    logger: LOGGER,
  })
  const { path, select, keepIds = true, logger = consoleLogger } = options
  return {
    name: 'json-lines-replayer',
    requires: [],
    connect(c) {
      checkReadable(path)
      const cycles = pull(c.graph, 'replay', () => new CycleCursor(path, linesOf(path), logger))
      setFromCycles(c, selectChannels(c, select), cycles, { keepIds })
    },
  }
}
