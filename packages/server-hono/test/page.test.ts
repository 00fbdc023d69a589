import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AuthResult, Credentials } from '@gw/protocol'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { cuttingProxy } from './support/cutting-proxy.js'
import { serve } from './support/serve.js'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = process.env.GW_CHROMIUM ?? PLACES.find((path) => existsSync(path))
if (executablePath === undefined) {
  console.warn('pages are not tested: apt-get install chromium, or name one in GW_CHROMIUM')
}

/** What the functions below find in the page, beside what every page has. */
interface InPage {
  readonly url: string
  readonly key: string
}

const auth = {
  name: 'keys',
  authenticate: (credentials: Credentials): AuthResult =>
    credentials.header('x-api-key') === 'the key'
      ? { ok: true, identity: { name: 'ann' } }
      : { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' },
}

describe.skipIf(executablePath === undefined)('a page with nothing but the browser', () => {
  let browser: Browser
  let pages: Server
  let origin: string

  beforeAll(async () => {
    pages = createServer((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><title>page</title>')
    })
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: ['--no-sandbox'],
    })
  }, 60_000)

  afterAll(async () => {
    await browser.close()
    await new Promise((resolve) => pages.close(resolve))
  })

  async function open(url: string): Promise<Page> {
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(url)
    return page
  }

  test('of another origin calls with fetch, is told what was refused, and streams with a ticket', async () => {
    const { url } = await serve({ auth, cors: { origins: [origin] } })
    const page = await open(origin)
    const heard = await page.evaluate(
      async ({ url, key }: InPage) => {
        const api = `${url}/api/v1`
        const headers = { 'X-API-Key': key, 'Content-Type': 'application/json' }
        const refused = await fetch(`${api}/last/orders`)
        const send = (body: object) =>
          fetch(`${api}/send/orders`, { method: 'POST', headers, body: JSON.stringify(body) })
        const wrong = await send({ symbol: 'A', quantity: -1 })
        const sent = await send({ symbol: 'A', quantity: 1 })
        const ticket = await fetch(`${api}/auth/ticket`, { method: 'POST', headers })
        const { ticket: name } = await ticket.json()
        const socket = new WebSocket(`${api.replace('http', 'ws')}/stream?ticket=${name}`)
        const messages: { data?: { quantity: number }[]; ok?: boolean; snapshotEnd?: boolean }[] =
          []
        await new Promise<void>((resolve, reject) => {
          socket.onerror = () => reject(new Error('the socket was refused'))
          socket.onopen = () =>
            socket.send('{"action":"subscribe","id":1,"channel":"orders","from":"snapshot"}')
          socket.onmessage = async ({ data }) => {
            const message = JSON.parse(data)
            messages.push(message)
            if (message.snapshotEnd === true) await send({ symbol: 'B', quantity: 2 })
            if (message.data?.[0].quantity === 2) resolve()
          }
        })
        socket.close()
        return {
          statuses: [refused.status, wrong.status, sent.status],
          refusal: (await refused.json()).code,
          errors: (await wrong.json()).errors,
          position: sent.headers.get('X-Gateway-Position'),
          kinds: messages.map(({ ok, data, snapshotEnd }) => [
            ok,
            data?.map(({ quantity }) => quantity),
            snapshotEnd,
          ]),
        }
      },
      { url, key: 'the key' },
    )
    expect(heard).toEqual({
      statuses: [403, 422, 200],
      refusal: 'UNAUTHORIZED',
      errors: [{ path: ['quantity'], message: expect.stringContaining('non-negative') }],
      position: expect.stringMatching(/:1$/),
      kinds: [
        [true, null, null],
        [null, [1], null],
        [null, null, true],
        [null, [2], null],
      ].map((kinds) => kinds.map((kind) => kind ?? undefined)),
    })
  })

  test('gets the present answer, of its type, also where its cache has it already', async () => {
    const { url, post } = await serve({ cors: { origins: [origin] } })
    await post('send/orders', { symbol: 'A' })
    const page = await open(origin)
    const last = () =>
      page.evaluate(async (path) => {
        const answer = await fetch(path, { cache: 'no-cache' })
        return [answer.headers.get('content-type'), (await answer.json())[0].symbol]
      }, `${url}/api/v1/last/orders`)
    expect(await last()).toEqual(['application/json', 'A'])
    expect(await last()).toEqual(['application/json', 'A'])
    await post('send/orders', { symbol: 'B' })
    expect(await last()).toEqual(['application/json', 'B'])
    const metrics = await (await fetch(`${url}/metrics`)).text()
    expect(metrics).toMatch(/group="last",status="304"\} 1$/m)
  })

  test('hears every event once, however often its connection is cut', async () => {
    const { url, post } = await serve({ cors: { origins: [origin] } })
    const proxy = await cuttingProxy(url, () => 1_500)
    const page = await open(origin)
    await page.evaluate((path) => {
      const scope = globalThis as unknown as { heard: number[]; isOpen: boolean }
      scope.heard = []
      const events = new EventSource(path)
      events.onopen = () => {
        scope.isOpen = true
      }
      events.addEventListener('data', ({ data }) => {
        scope.heard.push(JSON.parse(data).data[0].quantity)
      })
    }, `${proxy.url}/api/v1/stream/orders`)
    await page.waitForFunction(() => 'isOpen' in globalThis)
    const numbers = Array.from({ length: 12 }, (_, n) => n)
    for (const quantity of numbers) await post('send/orders', { symbol: 'A', quantity })
    const heard = () => page.evaluate(() => (globalThis as unknown as { heard: number[] }).heard)
    await expect.poll(heard, { timeout: 20_000 }).toEqual(numbers)
    expect(proxy.cuts()).toBeGreaterThan(0)
  }, 30_000)

  test('that the option does not name opens no socket', async () => {
    const { url } = await serve()
    const page = await open(origin)
    const outcome = await page.evaluate(
      (path) =>
        new Promise((resolve) => {
          const socket = new WebSocket(path)
          socket.onopen = () => resolve('open')
          socket.onclose = ({ code }) => resolve(code)
        }),
      `${url.replace('http', 'ws')}/api/v1/stream`,
    )
    expect(outcome).toBe(1006)
  })

  test('shows the description, and asks nobody else for anything', async () => {
    const { url } = await serve()
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    const urls: string[] = []
    const complaints: string[] = []
    page.on('request', (request) => urls.push(request.url()))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    await page.goto(`${url}/docs`)
    await page.waitForSelector('.opblock-summary-path')
    expect(await page.textContent('#docs')).toContain('/api/v1/last/orders')
    expect(complaints).toEqual([])
    expect(urls.filter((each) => !each.startsWith(url) && !each.startsWith('data:'))).toEqual([])
  })
})
