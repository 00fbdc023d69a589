import { type Channel, channel, struct } from '@gw/channels'
import { z } from 'zod'

/** What the channel of `statusChannel` ticks: one of the two connections has changed. */
export const statusChannel: Channel<z.ZodType, unknown> = channel(
  struct('KafkaConnectionStatus', {
    connection: z.enum(['producer', 'consumer']),
    state: z.enum(['connecting', 'running', 'recovering', 'closed']),
    message: z.string(),
  }),
  { state: { by: 'connection' } },
) as unknown as Channel<z.ZodType, unknown>
