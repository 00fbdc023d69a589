import { createRequire } from 'node:module'
import { channel, defineChannels, Gateway, struct } from '@gw/channels'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv } from 'ajv'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { webServer } from '../src/index.js'
import { serve } from './support/serve.js'

const SESSIONS = {
  name: 'sessions',
  cookieName: 'token',
  login: () => undefined,
  authenticate: (credentials: { query(name: string): string | undefined }) =>
    credentials.query('token') === 'k'
      ? ({ ok: true, identity: { name: 'ann' } } as const)
      : ({ ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' } as const),
}

describe('the OpenAPI document', () => {
  test('is valid', async () => {
    for (const options of [{}, { auth: SESSIONS, controls: true, rateLimit: { perSecond: 100 } }]) {
      const served = await serve(options)
      const document = (await served.json('/openapi.json?token=k')) as Record<string, unknown>
      expect(await new Validator().validate(document)).toEqual({ valid: true })
    }
  })

  test('has every route that is served, with its refusals, and the words of the contract', async () => {
    const served = await serve({ controls: true })
    // biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
    const { paths, components } = (await served.json('/openapi.json')) as any
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/api/v1/last/orders',
        '/api/v1/next/prices/{key}',
        '/api/v1/send/prices',
        '/api/v1/state/all_orders',
        '/api/v1/lookup/orders/{id}',
        '/api/v1/lookup/id/{id}',
        '/api/v1/stage/orders',
        '/api/v1/controls/heartbeat',
        '/api/v1/field/settings',
        '/healthz',
        '/metrics',
      ]),
    )
    const send = paths['/api/v1/send/orders'].post
    expect(send.description).toBe('Orders as they come in.')
    expect(Object.keys(send.responses)).toEqual(expect.arrayContaining(['200', '422', '503']))
    expect(components.schemas.Order.properties.symbol).toEqual({ type: 'string' })
  })
})

test('only the reference’s client is told the classes of its structs, which OpenAPI has no place for', async () => {
  const Data = struct('Data', { x: z.int() }).meta({ type_: 'package.module.Data' })
  const channels = defineChannels({ data: channel(Data, { send: true, state: { by: 'x' } }) })
  const server = webServer({ port: 0 })
  const gateway = new Gateway({ channels, modules: [server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const description = async (client: string) => {
    const answer = await fetch(`${server.url}/openapi.json`, { headers: { 'user-agent': client } })
    return (await answer.json()) as Record<string, unknown>
  }
  const plain = await description('curl/8.5.0')
  expect(JSON.stringify(plain)).not.toContain('type_')
  expect(await new Validator().validate(plain)).toEqual({ valid: true })
  expect(await description('python-httpx2/2.16.2')).toMatchObject({
    paths: { '/api/v1/last/data': { get: { type_: 'package.module.Data' } } },
  })
})

test('structs that hold themselves, and parts with names of their own, are found in both documents', async () => {
  const Part = z.object({
    name: z.string(),
    get parts() {
      return z.array(Part)
    },
  })
  const Tree = struct('Tree', {
    root: Part.optional(),
    tag: z.json(),
    of: z.string().meta({ id: 'a/b c' }),
  })
  const channels = defineChannels({
    trees: channel(Tree, { send: true, state: { by: 'of' } }),
    parts: channel(Part, { send: true }),
    any: channel(z.json(), { send: true }),
    either: channel(z.union([Part, z.number()]), { send: true }),
  })
  const server = webServer({ port: 0 })
  const gateway = new Gateway({ channels, modules: [server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  for (const name of ['openapi.json', 'asyncapi.json']) {
    const text = await (await fetch(`${server.url}/${name}`)).text()
    const document = JSON.parse(text)
    const references = [...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, place = '']) => place)
    for (const place of references) {
      const target = place
        .split('/')
        .slice(1)
        .reduce((at, step) => at?.[step], document)
      expect([place, typeof target]).toEqual([place, 'object'])
    }
    expect(document.components.schemas['TreeInput.schema0'].required).toEqual(['name', 'parts'])
  }
  const document = await (await fetch(`${server.url}/openapi.json`)).json()
  expect(await new Validator().validate(document)).toEqual({ valid: true })
})

describe('the AsyncAPI document', () => {
  test('is valid', async () => {
    const served = await serve()
    const document = await served.json('/asyncapi.json')
    const load = createRequire(import.meta.url)
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
    // The schema holds the drafts that it refers to, one of which ajv knows.
    const { definitions, ...schema } = load('@asyncapi/specs/schemas/3.0.0.json')
    const { 'http://json-schema.org/draft-07/schema': _, ...own } = definitions
    const validate = ajv.compile({ ...schema, definitions: own })
    validate(document)
    expect(validate.errors).toBeNull()
  })

  test('has each channel as messages of the socket and as events', async () => {
    const served = await serve()
    // biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
    const { channels } = (await served.json('/asyncapi.json')) as any
    expect(Object.keys(channels.stream.messages)).toEqual(
      expect.arrayContaining(['subscribe', 'send_orders', 'tick_orders', 'tick_prices', 'gap']),
    )
    expect(channels.stream.messages.send_total).toBeUndefined()
    expect(channels.events_prices.address).toBe('/api/v1/stream/prices')
  })
})

describe('the page of the description', () => {
  test('takes everything from this server', async () => {
    const served = await serve()
    const page = await served.get('/docs')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    const text = await page.text()
    expect(text).not.toMatch(/https?:/)
    const files = [...text.matchAll(/(?:src|href)="(docs[^"]*)"/g)].map(([, path]) => path)
    expect(files).toHaveLength(3)
    for (const path of files) {
      const file = await served.get(`/${path}`)
      expect([path, file.status]).toEqual([path, 200])
      expect((await file.text()).length).toBeGreaterThan(50)
    }
    expect((await served.get('/')).headers.get('location')).toBe('/docs')
  })

  test('sends a person without a key to the login page, and others away', async () => {
    const served = await serve({ auth: SESSIONS })
    const asPerson = await served.get('/docs', { headers: { accept: 'text/html,*/*' } })
    expect([asPerson.status, asPerson.headers.get('location')]).toEqual([
      303,
      '/login?next=%2Fdocs',
    ])
    expect((await served.get('/docs')).status).toBe(403)
    expect((await served.get('/docs?token=k')).status).toBe(200)
    const api = await served.get('last/orders', { headers: { accept: 'text/html' } })
    expect(api.status).toBe(403)
  })
})
