import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { basket, channel, defineChannels } from '../../src/index.js'
import { webhook } from '../../src/modules/index.js'
import { eventually, keepingLogger, running } from './support.js'

const channels = defineChannels({
  alerts: channel(z.string(), { send: true }),
  keyed: basket(['A', 'B'], z.number(), { send: true }),
})

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void

/** A server that keeps what it is told. */
async function receiver(answer: Answer = (_, response) => response.end()) {
  const bodies: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      bodies.push(body)
      answer(request, response, body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { bodies, url: `http://127.0.0.1:${port}/hook`, server }
}

const text = ({ data }: { data: unknown }): string => String(data)

test('posts each tick in order, of a basket each key, with channel, time and data', async () => {
  const { url, bodies } = await receiver()
  const gateway = await running(channels, [webhook({ url })])
  gateway.channels.send('alerts', 'one')
  gateway.channels.sendBasket('keyed', { A: 1, B: 2 })
  await gateway.stop()
  const time = '2020-01-01T00:00:00.000000Z'
  expect(bodies.map((body) => JSON.parse(body))).toEqual([
    { channel: 'alerts', time, data: 'one' },
    { channel: 'keyed', key: 'A', time, data: 1 },
    { channel: 'keyed', key: 'B', time, data: 2 },
  ])
})

test('sends what it is told to: body, headers, method; nothing for undefined', async () => {
  let seen: unknown
  const { url, bodies } = await receiver((request, response) => {
    seen = [request.method, request.headers['content-type']]
    response.end()
  })
  const hook = webhook({
    url,
    select: ['alerts'],
    method: 'PUT',
    headers: { 'content-type': 'text/plain' },
    body: ({ data }) => (data === 'skip' ? undefined : `! ${data}`),
  })
  const gateway = await running(channels, [hook])
  for (const alert of ['skip', 'go']) gateway.channels.send('alerts', alert)
  await gateway.stop()
  expect(bodies).toEqual(['! go'])
  expect(seen).toEqual(['PUT', 'text/plain'])
})

test('tries again what may pass, in order, and drops what is refused or fails too often', async () => {
  let failures = 2
  const { url, bodies } = await receiver((_, response, body) => {
    if (body === 'refused') response.statusCode = 400
    else if (body === 'doomed') response.statusCode = 503
    else if (failures-- > 0) response.statusCode = 429
    response.end()
  })
  const { told, logger } = keepingLogger()
  const hook = webhook({ url, select: ['alerts'], body: text, retries: 2, backoffMs: 1, logger })
  const gateway = await running(channels, [hook])
  for (const alert of ['late', 'refused', 'doomed', 'last']) gateway.channels.send('alerts', alert)
  await gateway.stop()
  expect(bodies).toEqual(['late', 'late', 'late', 'refused', 'doomed', 'doomed', 'doomed', 'last'])
  expect(told).toMatchObject([
    [
      'error',
      expect.stringContaining('1 records were dropped'),
      { dropped: 1, err: { message: 'it answered 400' } },
    ],
    ['error', expect.anything(), { dropped: 2, err: { message: 'it answered 503' } }],
  ])
})

test('a redirection is not followed, where a post would become a get without a body: it is dropped, and told', async () => {
  const seen: unknown[] = []
  const { url } = await receiver((request, response) => {
    seen.push([request.method, request.url])
    if (request.url !== '/other') response.writeHead(302, { location: '/other' })
    response.end()
  })
  const { told, logger } = keepingLogger()
  const gateway = await running(channels, [webhook({ url, logger, select: ['alerts'] })])
  gateway.channels.send('alerts', 'one')
  await gateway.stop()
  expect(seen).toEqual([['POST', '/hook']])
  expect(told).toEqual([
    [
      'error',
      expect.stringContaining('1 records were dropped'),
      expect.objectContaining({
        err: expect.objectContaining({ message: 'it answered 302, another place: give its url' }),
      }),
    ],
  ])
})

test('tries again after as long as the answer says', async () => {
  let isFirst = true
  const { url, bodies } = await receiver((_, response) => {
    if (isFirst) response.writeHead(503, { 'retry-after': '0' })
    isFirst = false
    response.end()
  })
  const hook = webhook({ url, select: ['alerts'], body: text, backoffMs: 1 })
  const gateway = await running(channels, [hook])
  gateway.channels.send('alerts', 'a')
  await eventually(() => expect(bodies).toEqual(['a', 'a']))
})

test('a request that hangs is given up after its time, and tried again', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  let isFirst = true
  const { url, bodies } = await receiver((_, response) => {
    if (!isFirst) response.end()
    // Nothing that the wait needs may be garbage.
    else setImmediate(collect)
    isFirst = false
  })
  const hook = webhook({ url, select: ['alerts'], body: text, timeoutMs: 400, backoffMs: 1 })
  const gateway = await running(channels, [hook])
  gateway.channels.send('alerts', 'a')
  await gateway.stop()
  expect(bodies).toEqual(['a', 'a'])
})

test('beyond the bound the oldest go, or the send is an error of the module', async () => {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const { url, bodies } = await receiver(async (_, response) => {
    await held
    response.end()
  })
  const { told, logger } = keepingLogger()
  const options = { url, select: ['alerts'], body: text, maxPending: 2, logger }
  const gateway = await running(channels, [webhook(options)])
  gateway.channels.send('alerts', 'a')
  await eventually(() => expect(bodies).toEqual(['a']))
  for (const alert of ['b', 'c', 'd', 'e']) gateway.channels.send('alerts', alert)
  release()
  await gateway.stop()
  expect(bodies).toEqual(['a', 'd', 'e'])
  expect(told).toHaveLength(1)

  const failing = await running(channels, [webhook({ ...options, overflow: 'fail' })])
  for (const alert of ['a', 'b']) failing.channels.send('alerts', alert)
  expect(() => failing.channels.send('alerts', 'c')).toThrow(/maxPending/)
})

test('a stop waits no longer than it may for a receiver that is gone, and says what was lost', async () => {
  const { url, server } = await receiver()
  await new Promise((resolve) => server.close(resolve))
  const { told, logger } = keepingLogger()
  const hook = webhook({ url, select: ['alerts'], body: text, backoffMs: 60_000, logger })
  const gateway = await running(channels, [hook], { stopTimeoutMs: 20 })
  for (const alert of ['a', 'b', 'c']) gateway.channels.send('alerts', alert)
  await expect(gateway.stop()).rejects.toMatchObject({ code: 'MODULE_TIMEOUT', module: 'webhook' })
  await eventually(() => expect(told.at(-1)?.[2]).toMatchObject({ dropped: 3 }))
})

test('a url that is none is refused at once', () => {
  expect(() => webhook({ url: '/hook' })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})
