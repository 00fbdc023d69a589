import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { apiKey } from '../src/index.js'
import { serve } from './support/serve.js'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = process.env.GW_CHROMIUM ?? PLACES.find((path) => existsSync(path))
if (executablePath === undefined) {
  console.warn('the login page is not tested: apt-get install chromium, or name one in GW_CHROMIUM')
}

const auth = () => apiKey({ key: 'the-right-key', onFailure: () => undefined })

describe.skipIf(executablePath === undefined)('the login page, in chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: executablePath as string,
      args: ['--no-sandbox'],
    })
  }, 60_000)
  afterAll(() => browser.close())

  /** A page in a browser that nobody has used before. */
  async function newPage(): Promise<Page> {
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    return context.newPage()
  }

  async function logIn(page: Page, key: string): Promise<void> {
    await page.fill('input[type=password]', key)
    await Promise.all([page.waitForNavigation(), page.click('button')])
  }

  test('leads a person to the page that was asked for, and after the logout no more', async () => {
    const { url } = await serve({ auth: auth() })
    const page = await newPage()
    await page.goto(`${url}/docs`)
    expect(new URL(page.url()).pathname).toBe('/login')
    await logIn(page, 'a-wrong-key')
    expect(await page.textContent('[role=alert]')).toContain('not good')
    await logIn(page, 'the-right-key')
    expect(page.url()).toBe(`${url}/docs`)
    expect(await page.evaluate(() => document.cookie)).toBe('')
    const [cookie] = await page.context().cookies()
    expect(cookie).toMatchObject({ name: 'token', httpOnly: true, sameSite: 'Lax' })

    const status = await page.evaluate(async () => {
      const body = JSON.stringify({ owner: 'somebody' })
      const headers = { 'Content-Type': 'application/json' }
      return (await fetch('/api/v1/send/rows', { method: 'POST', headers, body })).status
    })
    expect(status).toBe(200)
    const closed = page.evaluate(
      () =>
        new Promise<number>((resolve, reject) => {
          const socket = new WebSocket(`ws://${location.host}/api/v1/stream`)
          socket.onerror = () => reject(new Error('refused'))
          socket.onopen = () => socket.send('{"action":"subscribe","id":1,"channel":"rows"}')
          socket.onmessage = () => {
            document.title = 'subscribed'
          }
          socket.onclose = ({ code }) => resolve(code)
        }),
    )
    await page.waitForFunction(() => document.title === 'subscribed')
    const other = await page.context().newPage()
    await other.goto(`${url}/logout`)
    await Promise.all([other.waitForNavigation(), other.click('button')])
    expect(await closed).toBe(4401)
    expect(new URL(other.url()).pathname).toBe('/login')
    expect(await page.context().cookies()).toEqual([])
  }, 60_000)

  test('is of no use to the page of another site', async () => {
    const { url } = await serve({ auth: auth() })
    const evil = createServer((request, response) => {
      response.setHeader('Content-Type', 'text/html')
      response.end(
        request.url === '/frame'
          ? `<!doctype html><iframe src="${url}/login"></iframe>`
          : `<!doctype html><form method="post" action="${url}/login"><input name="token" value="the-right-key"></form><script>document.forms[0].submit()</script>`,
      )
    })
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void evil.close().closeAllConnections())
    // By another name: for browsers another site, which another port alone is not.
    const site = `http://localhost:${(evil.address() as AddressInfo).port}`
    const page = await newPage()
    const answered = page.waitForResponse((response) => response.url() === `${url}/login`)
    await page.goto(site)
    expect((await answered).status()).toBe(403)
    expect(await page.context().cookies(url)).toEqual([])
    await page.goto(`${site}/frame`)
    const [, frame] = page.frames()
    expect(await frame?.$('form')).toBeNull()

    await page.goto(`${url}/login`)
    await logIn(page, 'the-right-key')
    await page.goto(`${site}/frame`)
    const attempts = await page.evaluate(async (gateway) => {
      const body = '{"owner":"x"}'
      const sent = await fetch(`${gateway}/api/v1/send/rows`, {
        method: 'POST',
        body,
        credentials: 'include',
        mode: 'no-cors',
      }).then(
        ({ type }) => type,
        () => 'failed',
      )
      const read = await fetch(`${gateway}/api/v1/last/rows`, { credentials: 'include' }).then(
        () => 'read',
        () => 'failed',
      )
      const opened = await new Promise((resolve) => {
        const socket = new WebSocket(`${gateway.replace('http', 'ws')}/api/v1/stream`)
        socket.onopen = () => resolve('opened')
        socket.onerror = () => resolve('failed')
      })
      return { sent, read, opened }
    }, url)
    expect(attempts).toEqual({ sent: 'opaque', read: 'failed', opened: 'failed' })
    await page.goto(`${url}/api/v1/last/rows`)
    // What was sent did not arrive.
    expect(await page.textContent('body')).toBe('[]')
  }, 60_000)
})
