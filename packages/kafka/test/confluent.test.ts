import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import { confluentJson, jsonSchemaOf, kafka } from '@gw/kafka'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { z } from 'zod'
import { committedRecords, produce } from './broker/topics.js'

const Order = struct('Order', { symbol: z.string(), quantity: z.number().positive() })
const channels = defineChannels({
  orders: channel(Order, { send: true }),
  copies: channel(Order),
})
type Channels = (typeof channels)['channels']

/** A registry that knows what it was told, as far as the wire format needs it. */
let server: Server
let registry = ''
const subjects: { readonly path: string; readonly schema: unknown; readonly login: unknown }[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const { schemaType, schema } = JSON.parse(text) as { schemaType: string; schema: string }
      const isBad = request.url?.includes('changed') === true
      const odd = /odd-(\d+)-([^/]*)-value/.exec(request.url ?? '')
      if (odd !== null) {
        return response.writeHead(Number(odd[1])).end(Buffer.from(odd[2] ?? '', 'base64url'))
      }
      response.writeHead(isBad ? 409 : 200, { 'Content-Type': 'application/json' })
      if (isBad) return response.end('{"error_code":409,"message":"incompatible with version 1"}')
      expect(schemaType).toBe('JSON')
      const { authorization: login } = request.headers
      subjects.push({ path: request.url ?? '', schema: JSON.parse(schema), login })
      return response.end(`{"id":${0x01020300 + subjects.length}}`)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => new Promise((resolve) => server.close(resolve)))

test('the JSON Schema of a channel comes from the contract', () => {
  expect(jsonSchemaOf(channels, 'orders')).toMatchObject({
    type: 'object',
    properties: { symbol: { type: 'string' }, quantity: { exclusiveMinimum: 0 } },
    required: expect.arrayContaining(['symbol', 'quantity']),
  })
  expect(() => jsonSchemaOf(channels, 'others' as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTIONS', channel: 'others' }),
  )
})

test('a schema that changed incompatibly, and a registry that is not there, are errors that name the topic', async () => {
  const schemas = { changed: jsonSchemaOf(channels, 'orders') }
  await expect(confluentJson({ registry, schemas })).rejects.toMatchObject({
    code: 'REGISTRY_FAILED',
    topic: 'changed',
    message: expect.stringContaining('incompatible with version 1'),
  })
  await expect(confluentJson({ registry: 'http://127.0.0.1:2', schemas })).rejects.toMatchObject({
    code: 'REGISTRY_FAILED',
    topic: 'changed',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test.each([
  [503, '<p>later', '503 <p>later'],
  [200, '{"id":-1}', 'no id: {"id":-1}'],
  [200, 'null', 'no id: null'],
])(
  'a registry that answers as none does is told with what it said: %s %s',
  async (status, answer, why) => {
    const topic = `odd-${status}-${Buffer.from(answer).toString('base64url')}`
    await expect(confluentJson({ registry, schemas: { [topic]: {} } })).rejects.toMatchObject({
      code: 'REGISTRY_FAILED',
      topic,
      message: expect.stringContaining(why),
    })
  },
)

test('a registry may be below a path; a login in its address is refused, and not told', async () => {
  await confluentJson({ registry: `${registry}/apis/ccompat/v7/`, schemas: { some: {} } })
  expect(subjects.at(-1)?.path).toBe('/apis/ccompat/v7/subjects/some-value/versions')
  const secret = registry.replace('//', '//user:pass@')
  await expect(confluentJson({ registry: secret, schemas: { some: {} } })).rejects.toMatchObject({
    code: 'REGISTRY_FAILED',
    message: expect.not.stringContaining('pass'),
  })
})

test.skipIf(inject('brokers') === undefined)(
  'records carry the id of their schema; those without one are dead letters, byte for byte',
  async () => {
    const brokers = [inject('brokers') ?? '']
    const [topic, deadLetterTopic] = [randomUUID(), randomUUID()]
    const serde = await confluentJson({
      registry,
      login: { username: 'u', password: 'p' },
      schemas: { [topic]: jsonSchemaOf(channels, 'orders') },
    })
    expect(subjects.at(-1)).toMatchObject({
      path: `/subjects/${topic}-value/versions`,
      login: `Basic ${Buffer.from('u:p').toString('base64')}`,
    })
    await produce(brokers[0] as string, topic, [{ value: Buffer.from([7, 255, 0, 128]) }])
    const module = kafka<Channels>({
      brokers,
      serde,
      publish: { orders: { [topic]: { attribute: 'symbol' } } },
      subscribe: { copies: { [topic]: '' } },
      groupId: topic,
      deadLetterTopic,
    })
    const gateway = new Gateway({ channels, modules: [module] })
    await gateway.start()
    const sent = gateway.channels.send('orders', { symbol: 'A', quantity: 1 })
    await expect.poll(() => gateway.channels.last('copies'), { timeout: 20_000 }).toEqual(sent)
    const [, record] = await committedRecords(brokers[0] as string, topic)
    expect(record?.bytes.subarray(0, 5)).toEqual(Buffer.from([0, 1, 2, 3, subjects.length]))
    await expect
      .poll(async () => (await committedRecords(brokers[0] as string, deadLetterTopic))[0]?.bytes)
      .toEqual(Buffer.from([7, 255, 0, 128]))
    await gateway.stop()
  },
)
