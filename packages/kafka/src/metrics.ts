import type { ModuleMetric } from '@gw/channels'
import type { AnyChannels } from '@gw/protocol'
import type { KafkaModule } from './connection.js'
import type { ReplayModule } from './replay.js'

/** What a Kafka module tells of itself on a web server's `/metrics`. */
export function metricsOf<C extends AnyChannels>(
  module: KafkaModule<C>,
  connections: readonly ('producer' | 'consumer')[],
): readonly ModuleMetric[] {
  return [
    ...connections.map(
      (connection): ModuleMetric => ({
        name: 'gateway_kafka_running',
        help: '1 while the connection works, 0 while it connects, recovers or is closed.',
        kind: 'gauge',
        labels: { connection },
        value: () => (module.status[connection].state === 'running' ? 1 : 0),
      }),
    ),
    {
      name: 'gateway_kafka_waiting_seconds',
      help: 'How long what was read has been waiting to be taken and committed.',
      kind: 'gauge',
      value: () => module.waitingMs / 1_000,
    },
    {
      name: 'gateway_kafka_pending_records',
      help: 'Records that wait for the broker.',
      kind: 'gauge',
      value: () => module.pending,
    },
    {
      name: 'gateway_kafka_received_records_total',
      help: 'Records that the engine took.',
      kind: 'counter',
      value: () => module.received,
    },
    {
      name: 'gateway_kafka_dead_letters_total',
      help: 'Records that became dead letters, or that the broker refused.',
      kind: 'counter',
      value: () => module.deadLetters,
    },
    {
      name: 'gateway_kafka_unpublished_ticks_total',
      help: 'Ticks that were not published: there was no room.',
      kind: 'counter',
      value: () => module.unpublished,
    },
  ]
}

/** What a replay tells of itself on a web server's `/metrics`. */
export function replayMetrics<C extends AnyChannels>(
  replay: ReplayModule<C>,
): readonly ModuleMetric[] {
  return [
    {
      name: 'gateway_kafka_running',
      help: '1 while the connection works, 0 while it connects, recovers or is closed.',
      kind: 'gauge',
      labels: { connection: 'replay' },
      value: () => (replay.status.state === 'running' ? 1 : 0),
    },
    {
      name: 'gateway_kafka_replayed_records_total',
      help: 'Records that were replayed.',
      kind: 'counter',
      value: () => replay.replayed,
    },
    {
      name: 'gateway_kafka_late_records_total',
      help: 'Records that came later than the lateness allows.',
      kind: 'counter',
      value: () => replay.late,
    },
    {
      name: 'gateway_kafka_untimed_records_total',
      help: 'Records that said no time that can be.',
      kind: 'counter',
      value: () => replay.untimed,
    },
    {
      name: 'gateway_kafka_watermark_seconds',
      help: 'Times before this one are over, in seconds since the epoch; 0 before the first record.',
      kind: 'gauge',
      value: () => (replay.watermark ?? 0) / 1_000_000,
    },
    {
      name: 'gateway_kafka_invalid_records_total',
      help: 'Records that could not be read, or do not fit the contract.',
      kind: 'counter',
      value: () => replay.invalid,
    },
  ]
}
