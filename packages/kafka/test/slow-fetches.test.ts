import { randomUUID } from 'node:crypto'
import net from 'node:net'
import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import { type KafkaStatus, kafka } from '@gw/kafka'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { z } from 'zod'
import { createTopic, produce } from './broker/topics.js'

const broker = inject('brokers')

const Order = struct('Order', { quantity: z.number() })
const channels = defineChannels({ orders: channel(Order) })
type Channels = (typeof channels)['channels']

const FETCH = 1
const HEARTBEAT = 12

afterEach(() => {
  vi.restoreAllMocks()
})

/** Holds back what comes on connections that records are fetched on, as the wait does that a broker asks for beyond a quota. */
function holdable() {
  const { emit, write } = net.Socket.prototype
  const fetching = new Set<net.Socket>()
  const held: (() => void)[] = []
  const counts = { heartbeats: 0 }
  let isHeld = false
  vi.spyOn(net.Socket.prototype, 'write').mockImplementation(function (
    this: net.Socket,
    ...call: unknown[]
  ) {
    const [bytes] = call
    const api = Buffer.isBuffer(bytes) && bytes.length > 5 ? bytes.readInt16BE(4) : undefined
    if (api === FETCH) fetching.add(this)
    if (api === HEARTBEAT && isHeld) counts.heartbeats++
    return Reflect.apply(write, this, call)
  })
  vi.spyOn(net.Socket.prototype, 'emit').mockImplementation(function (
    this: net.Socket,
    ...event: unknown[]
  ) {
    const isOfHeld = isHeld && event[0] === 'data' && fetching.has(this)
    if (!isOfHeld) return Reflect.apply(emit, this, event)
    held.push(() => Reflect.apply(emit, this, event))
    return true
  })
  return {
    counts,
    hold: () => {
      isHeld = true
    },
    release: () => {
      isHeld = false
      for (const emitHeld of held.splice(0)) emitHeld()
    },
  }
}

test.skipIf(broker === undefined)(
  'a member of a group lives while the broker has it wait for longer than its session, which is told',
  async () => {
    const topic = randomUUID()
    await createTopic(broker ?? '', topic, 1)
    const fetches = holdable()
    const statuses: KafkaStatus[] = []
    const gateway = new Gateway({
      channels,
      modules: [
        kafka<Channels>({
          brokers: [broker ?? ''],
          subscribe: { orders: { [topic]: '' } },
          groupId: topic,
          sessionTimeoutMs: 2_000,
          onStatus: (connection, status) => {
            if (connection === 'consumer') statuses.push(status)
          },
        }),
      ],
    })
    await gateway.start()
    const sent = async (quantity: number): Promise<void> => {
      await produce(broker ?? '', topic, [{ value: JSON.stringify({ quantity }) }])
    }
    const last = () => gateway.channels.last('orders')?.quantity
    await sent(1)
    await expect.poll(last, { timeout: 20_000 }).toBe(1)

    fetches.hold()
    await expect.poll(() => fetches.counts.heartbeats, { timeout: 20_000 }).toBeGreaterThan(7)
    fetches.release()
    await sent(2)
    await expect.poll(last, { timeout: 20_000 }).toBe(2)
    const running = statuses.filter(({ state }) => state === 'running')
    expect(running.map(({ message }) => message)).toEqual([
      '',
      expect.stringContaining('slow to give records'),
    ])
    expect(statuses.at(-1)).toBe(running[1])
    await gateway.stop()
  },
)
