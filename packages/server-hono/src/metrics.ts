import { performance as nodePerformance } from 'node:perf_hooks'
import { Counter, Gauge, Registry } from 'prom-client'
import { registerModuleMetrics } from './module-metrics.js'
import type { Service } from './service.js'
import type { StreamServer } from './stream/stream-server.js'

/** What a server knows of itself, in the form of Prometheus. Figures are read when somebody asks, and cost nothing before. */
export function metricsOf(
  service: Service,
  streams: StreamServer,
  httpConnections: () => number,
): Registry {
  const { gateway, hub, requests, waits } = service
  // Those of this gateway, also where several are one.
  const { channels } = gateway
  const registry = new Registry()
  const registers = [registry]

  new Counter({
    name: 'gateway_http_requests_total',
    help: 'Requests answered, by method, group of routes and status.',
    labelNames: ['method', 'group', 'status'],
    registers,
    collect() {
      this.reset()
      for (const { method, group, status, count } of requests.all()) {
        this.inc({ method, group, status }, count)
      }
    },
  })
  new Counter({
    name: 'gateway_channel_ticks_total',
    help: 'Ticks of a channel, over all its keys.',
    labelNames: ['channel'],
    registers,
    collect() {
      this.reset()
      for (const { name, provided } of channels.info) {
        if (provided) this.inc({ channel: name }, channels.positionOf(name).offset)
      }
    },
  })
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  }
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  }
  gauge('gateway_http_connections', 'Open HTTP connections.', httpConnections)
  gauge('gateway_stream_connections', 'Open WebSockets and event streams.', () => streams.size)
  gauge('gateway_stream_subscriptions', 'Subscriptions of them.', () => streams.subscriptions)
  gauge('gateway_stream_behind', 'Streams whose readers are behind.', () => hub.behind.size)
  gauge(
    'gateway_stream_queue_bytes',
    'Bytes that wait for readers of streams.',
    () => streams.queuedBytes,
  )
  counter(
    'gateway_stream_dropped_ticks_total',
    'Ticks left out for readers that are too slow, who were told of the gap.',
    () => hub.droppedTicks,
  )
  counter(
    'gateway_stream_slow_closes_total',
    'Streams closed because their readers are too slow.',
    () => hub.slowCloses,
  )
  gauge('gateway_waiting_requests', 'Requests that wait for a tick.', () => waits.count)
  gauge(
    'gateway_engine_lag_seconds',
    'How far the engine is behind the clock.',
    () => gateway.health.lagMs / 1_000,
  )
  counter('gateway_engine_cycles_total', 'Cycles of the engine.', () => gateway.health.cycles)
  gauge('gateway_ready', '1 when every module has started and the engine runs.', () =>
    gateway.health.ready ? 1 : 0,
  )
  // Those of the library watch the process all the time, and never stop.
  gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
  gauge('process_start_time_seconds', 'When the process started, in Unix time.', () =>
    Math.round(Date.now() / 1_000 - process.uptime()),
  )
  counter('process_cpu_seconds_total', 'Time of processors that the process has used.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000_000
  })
  gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed)
  gauge(
    'nodejs_eventloop_utilization',
    'Share of the time in which the event loop was busy, since the start.',
    () => nodePerformance.eventLoopUtilization().utilization,
  )
  registerModuleMetrics(gateway.modules, registry)
  return registry
}
