import { beforeAll, describe, expect, test } from 'vitest'
import { channelsOf, namesBelow } from '../src/describe.js'
import { createClient, type OpenApiDocument } from '../src/index.js'
import { type Served, serve } from './support/served.js'

let document: OpenApiDocument

beforeAll(async () => {
  await using served = await serve()
  await using client = createClient<Served>({ url: served.url, apiKey: 'secret' })
  document = await client.$describe()
})

describe('a description', () => {
  test('tells the kind of each channel, its keys, and what can be done with it', () => {
    const rows = channelsOf(document).map(
      ({ name, kind, keys, isSendable, isStaged }) =>
        `${name} ${kind} ${keys?.join() ?? '-'} ${isSendable} ${isStaged}`,
    )
    expect(rows).toEqual([
      'controls single - true false',
      'fills list - true false',
      'orders single - true true',
      'prices basket AAPL,MSFT true false',
      'quotes basket - true false',
      'silent single - false false',
      'total single - true false',
    ])
    expect(namesBelow(document, 'field')).toEqual(['metadata'])
    expect(namesBelow(document, 'controls')).toEqual(['heartbeat', 'shutdown', 'stats'])
  })

  test('tells states and what makes their keys', () => {
    expect(channelsOf(document).find(({ name }) => name === 'orders')?.states).toEqual([
      { name: 'bySide', by: ['side', 'symbol'] },
      { name: 'orders', by: ['symbol'] },
    ])
  })

  test('has schemas that stand for themselves', () => {
    const described = channelsOf(document)
    expect(JSON.stringify(described)).not.toContain('$ref')
    const order = described.find(({ name }) => name === 'orders')
    expect(order?.record).toMatchObject({ properties: { side: { enum: ['buy', 'sell'] } } })
    expect(order?.input).toMatchObject({
      required: ['symbol', 'side', 'quantity'],
      properties: { price: { properties: { currency: { type: 'string' } } } },
    })
    for (const name of ['prices', 'fills']) {
      expect(described.find((it) => it.name === name)?.input).toMatchObject({ type: 'object' })
    }
    expect(described.find(({ name }) => name === 'total')?.input).toMatchObject({ type: 'number' })
  })

  test('that refers to itself ends', () => {
    const node = { type: 'object', properties: { next: { $ref: '#/components/schemas/Node' } } }
    const schema = { type: 'array', items: { $ref: '#/components/schemas/Node' } }
    const recursive: OpenApiDocument = {
      openapi: '3.1.0',
      info: { title: '', version: '' },
      paths: {
        '/api/v1/last/nodes': {
          get: { responses: { 200: { content: { 'application/json': { schema } } } } },
        },
      },
      components: { schemas: { Node: node } },
    }
    expect(channelsOf(recursive)[0]?.record).toMatchObject({
      properties: { next: { properties: { next: { type: 'object' } } } },
    })
  })
})
