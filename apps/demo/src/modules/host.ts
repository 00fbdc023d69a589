import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Module } from '@gw/channels'
import { node, type PushSource, push } from '@gw/core'
import { type DemoChannels, Host } from '@gw-apps/demo-contract'

type Sample = Pick<Host, 'cpu' | 'memoryMiB' | 'eventLoopDelayMs' | 'cyclesPerSecond'>

const INTERVAL_MS = 1_000

/** Measures the process once a second of real time, whatever the engine's clock says. */
export function host(): Module<DemoChannels> {
  let samples: PushSource<Sample> | undefined
  let timer: ReturnType<typeof setInterval> | undefined
  const delay = monitorEventLoopDelay({ resolution: 10 })
  return {
    name: 'host',
    connect(c) {
      const source = push<Sample>(c.graph, 'lastValue', { name: 'samples' })
      samples = source
      c.setChannel(
        'host',
        node(
          'host',
          { sample: source.edge },
          ({ sample }, context) =>
            () =>
              Host.make(context, sample.value),
        ),
      )
    },
    start(gateway) {
      delay.enable()
      let cpuBefore = process.cpuUsage()
      let cyclesBefore = gateway.health.cycles
      let before = performance.now()
      timer = setInterval(() => {
        if (!gateway.health.live) return
        const now = performance.now()
        const elapsedMs = now - before
        const cpu = process.cpuUsage(cpuBefore)
        const { cycles } = gateway.health
        samples?.push({
          cpu: round((cpu.user + cpu.system) / 10 / elapsedMs),
          memoryMiB: round(process.memoryUsage.rss() / 2 ** 20),
          eventLoopDelayMs: round(delay.percentile(99) / 1e6),
          cyclesPerSecond: Math.round(((cycles - cyclesBefore) * 1_000) / elapsedMs),
        })
        cpuBefore = process.cpuUsage()
        cyclesBefore = cycles
        before = now
        delay.reset()
      }, INTERVAL_MS)
    },
    stop() {
      clearInterval(timer)
      delay.disable()
    },
  }
}

/** To a tenth. */
function round(value: number): number {
  return Math.round(value * 10) / 10
}
