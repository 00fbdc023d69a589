import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import { envelope, json } from '@gw/kafka'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'

const Painted = struct('Painted', {
  colour: z.enum({ RED: 1, BLUE: 2 }),
  side: z.enum(['buy', 'sell']),
  shade: z.enum({ DARK: 'dark', LIGHT: 'light' }).nullable(),
})
const channels = defineChannels({ painted: channel(Painted, { send: true }) })

test.each([
  ['json', json],
  ['envelope', envelope],
])('enums are written by value and read back as they were: %s', async (_, serde) => {
  const gateway = new Gateway({ channels })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const sent = gateway.channels.send('painted', { colour: 2, side: 'sell', shade: 'dark' })
  const [tick] = gateway.channels.lastTicks('painted')
  // A record is one object, where the text of a tick is a list.
  const text = (tick?.json ?? '').slice(1, -1)
  const written = serde.write(text, { channel: 'painted', topic: 'painted', timeMs: 5 })
  const read = serde.read(Buffer.from(written), {} as never)
  expect(read).toEqual({ ...sent, colour: 2, side: 'sell', shade: 'dark' })
  expect(gateway.channels.send('painted', read as never)).toEqual(sent)
})
