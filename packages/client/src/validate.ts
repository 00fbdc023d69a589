import type { DeliveryMode } from '@gw/protocol'
import type { SubscriptionSink } from './wire-subscription.js'

/** Checks what arrives on a channel, and gives what it stands for. */
export interface Validate {
  /**
   * @param isElement The value is one record, where the channel may tick lists of them.
   * @throws GatewayClientError `INVALID_ANSWER`
   */
  value(channel: string, value: unknown, isElement: boolean): unknown
  /** A sink that lets only right records through, and ends with the first that is wrong. */
  sink(channel: string, mode: DeliveryMode | undefined, sink: SubscriptionSink): SubscriptionSink
}
