import { isoOf, sink } from '@gw/core'
import type { Logger } from '../logger.js'
import type { Module } from '../module.js'
import { type ChannelSelection, entriesOf, selectChannels } from './selection.js'

/** Options of {@link log}. */
export interface LogOptions {
  /** Pino, or anything with its interface. */
  readonly logger: Logger
  /** @defaultValue 'info' */
  readonly level?: keyof Logger
  readonly select?: ChannelSelection
  /** Names of states of which the number of records is logged after each change. @defaultValue none */
  readonly states?: readonly string[]
}

/** Logs each tick, of a basket each key: `{ channel, key, time, value }` with the channel's name as message. */
export function log(options: LogOptions): Module {
  const { logger, level = 'info', select, states = [] } = options
  const write = (details: object, message: string): void => logger[level](details, message)
  return {
    name: 'log',
    requires: [],
    connect(c) {
      for (const channel of selectChannels(c, select)) {
        sink(`log ${channel}`, { entries: entriesOf(c, channel) }, ({ entries }, context) => () => {
          const time = isoOf(context.now)
          for (const { key, value, removed } of entries.value) {
            const place = key === undefined ? {} : { key }
            write(
              { channel, ...place, time, ...(removed === true ? { removed } : { value }) },
              key === undefined ? channel : `${channel}[${key}]`,
            )
          }
        })
      }
      for (const state of states) {
        sink(
          `log state ${state}`,
          { view: c.getState(state as never) },
          ({ view }, context) =>
            () => {
              write({ state, time: isoOf(context.now), records: view.value.size }, `state ${state}`)
            },
        )
      }
    },
  }
}
