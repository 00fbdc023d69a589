import type { AnyChannels } from '@gw/protocol'
import { checkKafkaOptions } from './check-options.js'
import { Connection, type KafkaModule } from './connection.js'
import type { KafkaOptions } from './options.js'

/**
 * Connects channels to Kafka topics, both ways. Delivery is at least once: what is published is acknowledged by all
 * replicas, and offsets are committed when the engine has taken the records; with `exactlyOnce` both are one transaction. A
 * record that cannot be read goes to the dead-letter topic and never stops the stream. The gateway starts and runs whether
 * the brokers are there or not; while they do not take what is published, sends are refused as `OVERLOADED`.
 *
 * @throws KafkaError `INVALID_OPTIONS` naming the option that is wrong.
 * @example
 * ```ts
 * kafka<typeof channels.channels>({
 *   brokers: ['127.0.0.1:9092'],
 *   publish: { fills: { 'fills-topic': { attribute: 'symbol' } } },
 *   subscribe: { orders: { 'orders-topic': '' } },
 * })
 * ```
 */
export function kafka<C extends AnyChannels>(options: KafkaOptions<C>): KafkaModule<C> {
  checkKafkaOptions(options)
  return new Connection(options)
}
