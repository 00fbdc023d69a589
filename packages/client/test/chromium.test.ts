import { existsSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClientOptions } from '../src/index.js'
import { CuttingProxy } from './support/cutting-proxy.js'
import { expected, type scenario } from './support/scenario.js'
import { serve } from './support/served.js'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = process.env.GW_CHROMIUM ?? PLACES.find((path) => existsSync(path))
if (executablePath === undefined) {
  console.warn('pages are not tested: apt-get install chromium, or name one in GW_CHROMIUM')
}

/** What the page's script puts into its global scope. */
interface PageScope {
  readonly scenario: typeof scenario
  readonly sse: () => Partial<ClientOptions>
}

let pages: Server
let browser: Browser
let served: Awaited<ReturnType<typeof serve>>

describe.skipIf(executablePath === undefined)('a page of another origin, in chromium', () => {
  beforeAll(async () => {
    const { outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, 'support/scenario-page.ts')],
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'esm',
      conditions: ['@gw/source'],
    })
    pages = createServer((request, response) => {
      const isScript = request.url === '/script.js'
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
      response.end(
        isScript
          ? outputFiles[0]?.text
          : '<!doctype html><script type="module" src="/script.js"></script>',
      )
    })
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    served = await serve({ cors: { origins: [originOf(pages)] } })
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: ['--no-sandbox'],
    })
  }, 60_000)

  afterAll(async () => {
    await browser.close()
    await served[Symbol.asyncDispose]()
    await new Promise((resolve) => pages.close(resolve))
  })

  async function open(): Promise<{ readonly page: Page; readonly urls: string[] }> {
    const page = await browser.newPage()
    const urls: string[] = []
    page.on('request', (request) => urls.push(request.url()))
    page.on('websocket', (socket) => urls.push(socket.url()))
    await page.goto(originOf(pages))
    return { page, urls }
  }

  const run = (page: Page, url: string, way: string, name: string) =>
    page.evaluate(
      ([url, way, name]) => {
        const { scenario, sse } = globalThis as unknown as PageScope
        return scenario({ url, ...(way === 'sse' ? sse() : {}) }, name)
      },
      [url, way, name] as const,
    )

  test.each(['websocket', 'sse'])(
    'calls, sends and subscribes over %s, with the key in no URL',
    async (way) => {
      const { page, urls } = await open()
      expect(await run(page, served.url, way, `page ${way}`)).toEqual(expected(`page ${way}`))
      expect(urls.some((url) => url.startsWith('ws:'))).toBe(way === 'websocket')
      expect(urls.filter((url) => url.includes('secret'))).toEqual([])
      await page.close()
    },
  )

  test('loses nothing when its connections are cut', async () => {
    await using proxy = await CuttingProxy.start(served.url)
    for (const downstream of [400, 900, 1_500, 2_500, 3_500, 5_000, 700, 1_200]) {
      proxy.cuts.push({ upstream: Number.POSITIVE_INFINITY, downstream })
    }
    const { page } = await open()
    expect(await run(page, proxy.url, 'websocket', 'cut')).toEqual(expected('cut'))
    expect(proxy.connections).toBeGreaterThan(8)
    await page.close()
  })
})

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
