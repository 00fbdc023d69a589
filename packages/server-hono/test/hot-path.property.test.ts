import { Agent, request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { Gateway } from '@gw/channels'
import type { Authenticator, AuthResult } from '@gw/protocol'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { type WebServerOptions, webServer } from '../src/index.js'
import { channels, module } from './support/contract.js'

const LIMITS = { maxBodyBytes: 4_000, maxJsonDepth: 8 }

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: readonly Buffer[]
  readonly isChunked: boolean
}

interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** A server and a connection to it; nobody else sends there. */
interface Side {
  readonly gateway: Gateway<(typeof channels)['channels']>
  readonly port: number
  readonly epoch: string
  readonly agent: Agent
}

const open: Side[] = []
afterEach(async () => {
  for (const { gateway, agent } of open.splice(0)) {
    agent.destroy()
    await gateway.stop()
  }
})

async function start(options: WebServerOptions): Promise<Side> {
  const log = { info() {}, warn() {}, error() {} }
  const server = webServer({ port: 0, limits: LIMITS, log, ...options })
  const gateway = new Gateway({ channels, modules: [module, server] })
  await gateway.start()
  const side = {
    gateway,
    port: Number(new URL(server.url ?? '').port),
    epoch: gateway.channels.positionOf('orders').epoch,
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
  }
  open.push(side)
  return side
}

/** Everybody is whom they say they are; ann may do all, ben only read, zoe fails. */
function trusting(isSlow: boolean): Authenticator {
  const resultOf = (name: string | undefined): AuthResult => {
    if (name === undefined) return { ok: false, code: 'UNAUTHORIZED', detail: 'who are you?' }
    if (name === 'zoe') throw new Error('nobody knows')
    return {
      ok: true,
      identity: {
        name,
        ...(name === 'ben' ? { scopes: [{ operations: ['read'] as const }] } : {}),
      },
    }
  }
  return {
    name: 'trusting',
    authenticate: (credentials) => {
      const name = credentials.header('x-who') ?? credentials.query('who')
      return isSlow ? Promise.resolve().then(() => resultOf(name)) : resultOf(name)
    },
  }
}

function ask(side: Side, { method, path, headers, body, isChunked }: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const { port, agent, epoch } = side
    const length = body.reduce((sum, part) => sum + part.length, 0)
    const framing = isChunked ? 'Transfer-Encoding' : 'Content-Length'
    const call = request({
      host: '127.0.0.1',
      port,
      agent,
      method,
      path,
      headers: { ...headers, [framing]: isChunked ? 'chunked' : String(length) },
    })
    // A body that is too long is not read to its end, so that the connection may break under what follows.
    let isAnswered = false
    call.on('error', (error) => {
      if (!isAnswered) reject(error)
    })
    call.on('response', (response) => {
      isAnswered = true
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const { date: _, ...rest } = response.headers
        const bytes = Buffer.concat(parts)
        // Of HEAD, there is nothing to unpack.
        const isZipped = rest['content-encoding'] === 'gzip' && bytes.length > 0
        const text = isZipped ? gunzipSync(bytes) : bytes
        if (isZipped) delete rest['content-length']
        resolve(
          withoutChance(epoch, {
            status: response.statusCode ?? 0,
            headers: rest,
            body: text.toString(),
          }),
        )
      })
    })
    const send = async (): Promise<void> => {
      for (const part of body) {
        call.write(part)
        // In a packet of its own.
        await new Promise((resolve) => setImmediate(resolve))
      }
      call.end()
    }
    void send()
  })
}

/** What differs from gateway to gateway, or from one moment to the next, in a form that does not. */
function withoutChance(epoch: string, { status, headers, body }: Answered): Answered {
  const plain = (text: string): string =>
    text
      .replaceAll(epoch, 'EPOCH')
      .replace(/"id":"\d{30}"/g, '"id":"ID"')
      .replace(/"timestamp":"20[\d-]+T[\d:.]+Z"/g, '"timestamp":"TIME"')
      .replace(/come back in \d+ s/, 'come back in N s')
  return {
    status,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        // The tag of a basket is a digest of what is in it.
        name === 'retry-after' ? 'N' : plain(String(value)).replace(/"[\w-]{27}"/, '"TAG"'),
      ]),
    ),
    body: plain(body),
  }
}

const NAMES = [
  ...['orders', 'orders', 'orders', 'order_list', 'order-list', 'total', 'nothing', 'settings'],
  ...['prices', 'prices/AAPL', 'prices/none', 'quotes', 'quotes/new', 'unknown', '', 'orders/'],
  ...['Orders', 'ord%65rs', 'orders//', '%E0%A4%A', 'constructor', '__proto__'],
]
const QUERIES = [
  ...['', '', '', '', '?', '?keys=1', '?keys=0', '?who=ann', '?who=ben', '?messageId=1', '?x'],
  ...['?atLeast=none', '?expect=none', '?timeout=x', '?keys=1&keys=1', '#part'],
]
const ORDER = { symbol: 'AAPL', quantity: 5 }
const BODIES: readonly (string | Buffer)[] = [
  '',
  ...[ORDER, [ORDER, ORDER], [], {}, null, 5, 'text', { symbol: 5 }, { ...ORDER, more: 1 }].map(
    (body) => JSON.stringify(body),
  ),
  ...[{ id: '7' }, { id: 7 }, { id: null, timestamp: null }, { timestamp: '2020-01-01T00:00' }].map(
    (own) => JSON.stringify({ ...ORDER, ...own }),
  ),
  JSON.stringify({ ...ORDER, symbol: 'ä€𝒜', tags: ['\u2028', '\ud800'] }),
  JSON.stringify({ ...ORDER, tags: ['x'.repeat(1_500)] }),
  JSON.stringify({ ...ORDER, tags: ['ö'.repeat(800)] }),
  JSON.stringify({ ...ORDER, tags: ['x'.repeat(5_000)] }),
  JSON.stringify({ AAPL: { value: 1 }, MSFT: { value: 2 } }),
  JSON.stringify({ value: 1 }),
  '{"symbol":"AAPL","quantity":12345678901234567890}',
  '{"symbol":"AAPL","quantity":1.5}',
  '{"symbol":"AAPL","__proto__":{"a":1}}',
  '{"symbol":"AAPL","symbol":"MSFT"}',
  '{"symbol":"AAPL"',
  `${'['.repeat(20)}${']'.repeat(20)}`,
  Buffer.from([0x22, 0xc3, 0x28, 0x22]),
  Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]),
]

const header = (name: string, values: readonly string[]): fc.Arbitrary<Record<string, string>> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant({}) },
    fc.constantFrom(...values.map((value) => ({ [name]: value }))),
  )
const headers: fc.Arbitrary<Record<string, string>> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant({ 'Content-Type': 'application/json' }) },
      header('CONTENT-TYPE', [
        ...['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/x+json'],
        ...['text/plain', ''],
      ]),
    ),
    header('Origin', ['http://127.0.0.1', 'http://page.example', 'null']),
    header('If-None-Match', ['*', '"none"']),
    header('Accept', ['application/problem+json', 'text/html']),
    header('Accept-Encoding', ['gzip', 'br, gzip;q=0.5', 'gzip;q=0']),
    header('Idempotency-Key', ['1', '2']),
    header('X-Who', ['ann', 'ann', 'ann', 'ben', 'zoe', 'ann, ben']),
    header('Cookie', ['a=b']),
    header('Host', ['Gateway:80', '[::1]:80', 'a_b', 'ä', 'a b', 'a/b', 'a@b', 'a:b', 'a?b', '']),
    header('X-Forwarded-For', ['1.2.3.4']),
  )
  .map((all) => Object.assign({}, ...all))

/** A request, its body cut somewhere. */
const asked: fc.Arbitrary<Asked> = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'POST', 'POST', 'HEAD', 'OPTIONS', 'PUT'),
    group: fc.constantFrom('last', 'send'),
    name: fc.constantFrom(...NAMES),
    query: fc.constantFrom(...QUERIES),
    headers,
    body: fc.constantFrom(...BODIES),
    cut: fc.option(fc.nat(), { freq: 3 }),
    isChunked: fc.boolean(),
  })
  .map(({ method, group, name, query, headers, body, cut, isChunked }) => {
    const bytes = method === 'POST' || method === 'PUT' ? Buffer.from(body) : Buffer.alloc(0)
    const at = cut === null ? 0 : cut % (bytes.length + 1)
    return {
      method,
      path: `/api/v1/${group}/${name}${query}`,
      headers,
      body: [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0),
      isChunked: isChunked && bytes.length > 0,
    }
  })

const SETTINGS: readonly (readonly [string, WebServerOptions])[] = [
  ['as it comes', {}],
  ['with keys and scopes', { auth: trusting(false) }],
  ['with keys that take time to be looked up', { auth: trusting(true) }],
  ['with rows of one’s own', { auth: trusting(false), filter: (_, row) => row.quantity !== 5 }],
  ['for pages of everywhere', { cors: { origins: '*' } }],
  ['for pages of one origin', { cors: { origins: ['http://page.example'] } }],
  ['with a rate limit', { auth: trusting(false), rateLimit: { perSecond: 0.01, burst: 20 } }],
]

test.each(SETTINGS)(
  '%s, a request is answered as it would be with middleware, which goes through the app',
  async (_, options) => {
    const hot = await start(options)
    const slow = await start({ ...options, middleware: [(_, next) => next()] })
    await fc.assert(
      fc.asyncProperty(asked, async (request) => {
        const [fromHot, fromSlow] = await Promise.all([ask(hot, request), ask(slow, request)])
        expect(fromHot).toEqual(fromSlow)
      }),
      { numRuns: 300 },
    )
    const taken = ({ gateway: { channels } }: Side): unknown =>
      channels.info.map(({ name, provided }) => provided && channels.positionOf(name).offset)
    expect(taken(hot)).toEqual(taken(slow))
  },
)
