import { type Duration, node, seconds, timer } from '@gw/core'
import { z } from 'zod'
import { channel as channelOf } from '../contract.js'
import type { Module } from '../module.js'
import { type Struct, struct } from '../struct.js'
import { COUNT, checkModuleOptions, TEXT } from './check-options.js'

/** A sign of life: one more than the one before. */
export const Heartbeat: Struct<{ readonly sequence: z.ZodInt }> = struct('Heartbeat', {
  sequence: z.int(),
})
export type Heartbeat = z.output<typeof Heartbeat>

/** Options of {@link heartbeat}. */
export interface HeartbeatOptions {
  /** The channel, which the module adds where the contract does not have it. @defaultValue 'heartbeats' */
  readonly channel?: string
  /** Engine time between two. @defaultValue 1 second */
  readonly interval?: Duration
}

/** Ticks a {@link Heartbeat} every interval of engine time. */
export function heartbeat(options: HeartbeatOptions = {}): Module {
  checkModuleOptions('heartbeat', options, { channel: TEXT, interval: COUNT })
  const { channel = 'heartbeats', interval = seconds(1) } = options
  return {
    name: 'heartbeat',
    dynamicChannels: () => ({ [channel]: channelOf(Heartbeat, { doc: 'Signs of life.' }) }),
    connect(c) {
      const beats = node(
        'beat',
        { tick: timer(c.graph, interval, true, { late: 'skip' }) },
        (_, context) => {
          let sequence = 0
          return () => Heartbeat.make(context, { sequence: ++sequence })
        },
      )
      c.setChannel(channel as never, beats as never)
    },
  }
}
