import { isoOf, sink } from '@gw/core'
import type { Module } from '../module.js'
import { checkModuleOptions, hasMethods, TEXT } from './check-options.js'
import { entriesOf } from './entries.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** Options of {@link log}. */
export interface LogOptions<Level extends string = 'info'> {
  /** Pino, or anything with its interface at the level that is used. */
  readonly logger: {
    readonly [L in NoInfer<Level>]: (details: object, message: string) => void
  }
  /** Name of the logger's method. @defaultValue 'info' */
  readonly level?: Level
  /** @defaultValue all channels */
  readonly select?: ChannelSelection
  /** Names of states whose number of records is logged after each change. @defaultValue none */
  readonly states?: readonly string[]
}

/**
 * Logs each tick, of a basket each key: `{ channel, key, time, value }`, with the channel's name as message.
 * @throws ChannelsError `INVALID_OPTION` when the logger has no method of the level.
 * @example `log({ logger: pino(), level: 'debug', select: ['orders'] })`
 */
export function log<Level extends string = 'info'>(options: LogOptions<Level>): Module {
  checkModuleOptions('log', options, {
    level: TEXT,
    states: { holds: Array.isArray, what: 'a list of names of states' },
  })
  const { logger, level = 'info' as Level, select, states = [] } = options
  checkModuleOptions('log', options, {
    logger: {
      holds: (value) => hasMethods(value, [level]),
      what: `pino, which "npm install pino" brings, or anything with its method ${level}`,
      isRequired: true,
    },
  })
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
        const view = c.getState(state as never)
        sink(`log state ${state}`, { view }, ({ view }, context) => () => {
          write({ state, time: isoOf(context.now), records: view.value.size }, `state ${state}`)
        })
      }
    },
  }
}
