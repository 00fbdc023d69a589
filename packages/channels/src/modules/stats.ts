import { node, type PushSource, push } from '@gw/core'
import { z } from 'zod'
import { channel as channelOf } from '../contract.js'
import type { Module } from '../module.js'
import { type Struct, struct } from '../struct.js'
import { COUNT, checkModuleOptions, TEXT } from './check-options.js'

type StatsShape = {
  readonly cycles: z.ZodInt
  readonly cyclesPerSecond: z.ZodNumber
  readonly lagMs: z.ZodNumber
  readonly cpuPercent: z.ZodNumber
  readonly residentBytes: z.ZodInt
  readonly heapUsedBytes: z.ZodInt
}

/** How engine and process do. */
export const Stats: Struct<StatsShape> = struct('Stats', {
  /** Cycles run so far. */
  cycles: z.int(),
  /** Over the last interval. */
  cyclesPerSecond: z.number(),
  /** How far the engine is behind. */
  lagMs: z.number(),
  /** Of one core, over the last interval. */
  cpuPercent: z.number(),
  residentBytes: z.int(),
  heapUsedBytes: z.int(),
})
export type Stats = z.output<typeof Stats>

/** Options of {@link stats}. */
export interface StatsOptions {
  /** The channel, which the module adds where the contract does not have it. @defaultValue 'stats' */
  readonly channel?: string
  /** Real time between two measurements. @defaultValue 1_000 */
  readonly intervalMs?: number
}

type Measured = Omit<Stats, 'id' | 'timestamp'>

/** Ticks {@link Stats} every interval of real time; nothing in simulation. */
export function stats(options: StatsOptions = {}): Module {
  checkModuleOptions('stats', options, { channel: TEXT, intervalMs: COUNT })
  const { channel = 'stats', intervalMs = 1_000 } = options
  let source: PushSource<Measured> | undefined
  let interval: ReturnType<typeof setInterval> | undefined
  return {
    name: 'stats',
    dynamicChannels: () => ({ [channel]: channelOf(Stats, { doc: 'How engine and process do.' }) }),
    connect(c) {
      const measured = push<Measured>(c.graph, 'lastValue', { name: 'measured' })
      source = measured
      const edge = node(
        'stats',
        { x: measured.edge },
        ({ x }, context) =>
          () =>
            Stats.make(context, x.value),
      )
      c.setChannel(channel as never, edge as never)
    },
    start(gateway) {
      let before = { at: performance.now(), cycles: gateway.health.cycles, cpu: process.cpuUsage() }
      interval = setInterval(() => {
        const { live, cycles, lagMs } = gateway.health
        if (!live) return
        const at = performance.now()
        const elapsedMs = Math.max(1, at - before.at)
        const cpu = process.cpuUsage(before.cpu)
        const memory = process.memoryUsage()
        source?.push({
          cycles,
          cyclesPerSecond: ((cycles - before.cycles) * 1_000) / elapsedMs,
          lagMs,
          cpuPercent: (cpu.user + cpu.system) / 10 / elapsedMs,
          residentBytes: memory.rss,
          heapUsedBytes: memory.heapUsed,
        })
        before = { at, cycles, cpu: process.cpuUsage() }
      }, intervalMs)
    },
    stop() {
      clearInterval(interval)
    },
  }
}
