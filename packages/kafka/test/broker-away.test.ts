import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import {
  type ClusterModule,
  type ClusterOptions,
  cluster,
  type KafkaClient,
  KafkajsClient,
  type KafkaReader,
  replayKafka,
} from '@gw/kafka'
import { type WebServer, webServer } from '@gw/server-hono'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { createTopic } from './broker/topics.js'

const brokers = inject('brokers')
const broker = brokers ?? ''

const Order = struct('Order', { symbol: z.string(), quantity: z.number() })
const channels = defineChannels({
  orders: channel(Order, { send: true, state: { by: 'symbol' } }),
})
type Channels = (typeof channels)['channels']

const log = { info() {}, warn() {}, error() {} }

/** A client whose commits give no answer while it is `away`. */
function wavering(address: string) {
  const kafkajs = new KafkajsClient({ brokers: [address] })
  let back: Promise<void> | undefined
  let isBack: () => void = () => undefined
  let failure: Error | undefined
  const client: KafkaClient = {
    producer: (options) => kafkajs.producer(options),
    consumer: (options) => kafkajs.consumer(options),
    reader: (options) => kafkajs.reader(options),
    ensureTopics: (...call) => kafkajs.ensureTopics(...call),
    bounds: (topic) => kafkajs.bounds(topic),
    offsetsAt: (...call) => kafkajs.offsetsAt(...call),
    topicSettings: (...call) => kafkajs.topicSettings(...call),
    transactor: (options) => {
      const transactor = kafkajs.transactor(options)
      return {
        open: () => transactor.open(),
        close: () => transactor.close(),
        commit: async (...call) => {
          if (failure !== undefined) throw failure
          await back
          return transactor.commit(...call)
        },
      }
    },
  }
  return {
    client,
    goAway: () => {
      back = new Promise((resolve) => {
        isBack = resolve
      })
    },
    comeBack: () => {
      failure = undefined
      isBack()
    },
    fail: (error: Error) => {
      failure = error
    },
  }
}

const open: Gateway<Channels>[] = []

afterEach(async () => {
  for (const gateway of open.splice(0)) await gateway.stop()
})

interface Answer {
  readonly status: number
  readonly body: { readonly code?: string; readonly detail?: string }
}

interface Started {
  readonly gateway: Gateway<Channels>
  readonly module: ClusterModule<Channels>
  readonly server: WebServer
  send(symbol: string, quantity: number): Promise<Answer>
}

async function start(options: Partial<ClusterOptions<Channels>>, topic: string): Promise<Started> {
  const server = webServer({ port: 0, log })
  const module = cluster<Channels>({
    brokers: [broker],
    groupId: randomUUID(),
    by: { orders: 'symbol' },
    subscribe: { orders: { [topic]: '' } },
    exactlyOnce: true,
    ownerTimeoutMs: 300,
    drainTimeoutMs: 300,
    ...options,
  })
  const gateway = new Gateway<Channels>({ channels, modules: [server, module] })
  await gateway.start()
  open.push(gateway)
  const send = async (symbol: string, quantity: number) => {
    const response = await fetch(`${server.url}/api/v1/send/orders`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ symbol, quantity }),
    })
    return { status: response.status, body: (await response.json()) as Answer['body'] }
  }
  return { gateway, module, server, send }
}

describe('a cluster whose broker has never been there', () => {
  test('answers within the bound, with a code', async () => {
    const { server, send } = await start({ brokers: ['127.0.0.1:1'] }, 'orders')
    const read = async (path: string) => {
      const response = await fetch(`${server.url}/api/v1/${path}`)
      return { status: response.status, body: await response.json() }
    }
    const away = { status: 503, body: { code: 'OWNER_AWAY' } }
    expect(
      await Promise.all([
        send('a', 1),
        ...['last/orders', 'state/orders', 'lookup/orders/x'].map(read),
      ]),
    ).toMatchObject([away, away, away, away])
  })
})

describe.skipIf(brokers === undefined)('a cluster whose broker goes away', () => {
  const ready = ({ module }: Started) =>
    expect.poll(() => module.ready, { timeout: 20_000 }).toEqual([0])

  test('refuses sends within the bound, and does not send later what it has refused', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const { client, goAway, comeBack } = wavering(broker)
    const started = await start({ client }, topic)
    await ready(started)
    expect((await started.send('before', 1)).status).toBe(200)
    goAway()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => started.send('during', i)),
    )
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'OWNER_AWAY' } })
      expect(answer.body.detail).toContain(`partition 0 of ${started.module.members[0]?.address}`)
    }
    comeBack()
    await expect.poll(async () => (await started.send('after', 1)).status).toBe(200)
    // The first was being committed; the others have never been taken.
    const { channels } = started.gateway
    expect(channels.positionOf('orders').offset).toBe(3)
    expect(channels.query('orders').map(({ symbol }) => symbol)).toEqual([
      'after',
      'before',
      'during',
    ])
  })

  test('says in status and metrics that it tries again, and that it works again', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const { client, fail, comeBack } = wavering(broker)
    const started = await start({ client }, topic)
    await ready(started)
    const running = async () => {
      const text = await (await fetch(`${started.server.url}/metrics`)).text()
      return /^gateway_kafka_running\{.*connection="producer".*\} (\d)$/m.exec(text)?.[1]
    }
    await expect.poll(async () => (await started.send('a', 1)).status).toBe(200)
    expect(await running()).toBe('1')
    fail(new Error('out of order'))
    // Between two tries, when its transactor is open anew, it runs.
    const statuses: number[] = []
    let isOver = false
    const sending = (async () => {
      while (!isOver) statuses.push((await started.send('a', 2)).status)
    })()
    const often = { interval: 5, timeout: 20_000 }
    await expect
      .poll(() => started.module.status.producer, often)
      .toEqual({ state: 'recovering', message: 'partition 0: out of order' })
    await expect.poll(running, often).toBe('0')
    isOver = true
    await sending
    expect(new Set(statuses)).toEqual(new Set([503]))
    comeBack()
    await expect.poll(running, { timeout: 20_000 }).toBe('1')
    expect(started.module.status.producer).toEqual({ state: 'running', message: '' })
  })

  test('stops although something waits to be committed', async () => {
    const topic = randomUUID()
    await createTopic(broker, topic, 1)
    const { client, goAway, comeBack } = wavering(broker)
    const started = await start({ client }, topic)
    await ready(started)
    goAway()
    expect((await started.send('a', 1)).status).toBe(503)
    open.length = 0
    // A module that does not stop in time makes this reject.
    await started.gateway.stop()
    comeBack()
  })
})

const unused = (): never => {
  throw new Error('not used here')
}
const reading: KafkaReader = { pause: unused, resume: unused, close: async () => undefined }

/** A client of which a replay uses only this. */
const readingClient = (
  parts: Pick<KafkaClient, 'ensureTopics' | 'bounds' | 'reader'>,
): KafkaClient => ({
  producer: unused,
  consumer: unused,
  transactor: unused,
  offsetsAt: unused,
  topicSettings: unused,
  ...parts,
})

test('a replay whose broker gives nothing of what there is fails, and says where', async () => {
  const client = readingClient({
    ensureTopics: async () => [],
    bounds: async () => new Map([[3, { low: 5n, high: 9n }]]),
    reader: ({ onStatus }) => {
      onStatus?.({ state: 'recovering', message: 'connection lost' })
      return reading
    },
  })
  const replay = replayKafka<Channels>({
    brokers: ['127.0.0.1:1'],
    client,
    subscribe: { orders: { history: '' } },
    brokerTimeoutMs: 20,
  })
  const gateway = new Gateway({ channels, modules: [replay] })
  await expect(gateway.simulate()).rejects.toMatchObject({
    code: 'SOURCE_FAILED',
    cause: {
      code: 'TIMED_OUT',
      topic: 'history',
      partition: 3,
      offset: '5',
      message: expect.stringContaining('connection lost'),
    },
  })
})

test('a replay whose brokers are not there, or speak something else, fails within its bound, naming them', async () => {
  const web = createServer((_, response) => response.end('this is no broker'))
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
  const { port } = web.address() as AddressInfo
  for (const address of ['127.0.0.1:1', `127.0.0.1:${port}`, 'not-there.invalid:9092']) {
    const replay = replayKafka<Channels>({
      brokers: [address],
      subscribe: { orders: { history: '' } },
      brokerTimeoutMs: 1,
    })
    const gateway = new Gateway({ channels, modules: [replay] })
    await expect(gateway.simulate()).rejects.toMatchObject({
      code: 'SOURCE_FAILED',
      cause: { code: 'TIMED_OUT', message: expect.stringContaining(address) },
    })
    expect(replay.status).toMatchObject({
      state: 'recovering',
      message: expect.stringMatching(/./),
    })
  }
  web.closeAllConnections()
  await new Promise((resolve) => web.close(resolve))
})

test('a replay that goes live waits for brokers that are not there yet, and tells', async () => {
  let asked = 0
  let isRead = false
  const client = readingClient({
    ensureTopics: async () => {
      if (++asked <= 2) throw new Error('nobody is there yet')
      return []
    },
    bounds: async () => new Map([[0, { low: 0n, high: 0n }]]),
    reader: () => {
      isRead = true
      return reading
    },
  })
  const replay = replayKafka<Channels>({
    brokers: ['127.0.0.1:1'],
    client,
    subscribe: { orders: { history: '' } },
    to: 'live',
    brokerTimeoutMs: 1,
  })
  const gateway = new Gateway({ channels, modules: [replay], clock: replay.clock })
  await gateway.start()
  await expect.poll(() => replay.status.message).toBe('nobody is there yet')
  await expect.poll(() => isRead, { timeout: 10_000 }).toBe(true)
  expect(replay.isCaughtUp).toBe(true)
  expect(asked).toBe(3)
  await gateway.stop()
})
