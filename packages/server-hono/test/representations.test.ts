import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ask } from './support/http.js'
import { openRaw } from './support/raw.js'
import { serve } from './support/serve.js'

const ORIGIN = 'https://page.example'

describe('pages of another origin', () => {
  test('may read what the option says, refusals too, and no other page may', async () => {
    const { get, post } = await serve({ cors: { origins: [ORIGIN] } })
    for (const [origin, allowed] of [
      [ORIGIN, ORIGIN],
      ['https://other.example', null],
    ] as const) {
      const answers = [
        await get('last/orders', { headers: { origin } }),
        await get('last/nope', { headers: { origin } }),
        await post('send/orders', '{', { headers: { origin } }),
        await post('send/orders', { symbol: 'A' }, { headers: { origin } }),
      ]
      expect(answers.map(({ status }) => status)).toEqual([200, 404, 422, 200])
      for (const { headers } of answers) {
        expect(headers.get('access-control-allow-origin')).toBe(allowed)
      }
    }
  })

  test('may send what a client of ours sends, and see what it needs', async () => {
    const { get } = await serve({ cors: { origins: [ORIGIN] } })
    const asked = 'content-type,x-api-key,authorization,idempotency-key,last-event-id'
    const preflight = await get('send/orders', {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': asked,
      },
    })
    expect(preflight.status).toBe(204)
    const allowed = preflight.headers.get('access-control-allow-headers')?.toLowerCase().split(',')
    expect(allowed).toEqual(expect.arrayContaining(asked.split(',')))
    const answer = await get('last/orders', { headers: { origin: ORIGIN } })
    expect(answer.headers.get('access-control-expose-headers')).toContain('X-Gateway-Position')
  })

  test('asking what a path takes is no question of pages', async () => {
    const { get } = await serve({ cors: { origins: [ORIGIN] } })
    const options = async (path: string) => {
      const { status, headers } = await get(path, {
        method: 'OPTIONS',
        headers: { origin: ORIGIN },
      })
      return [status, headers.get('allow')]
    }
    expect(await options('send/orders')).toEqual([204, 'POST, OPTIONS'])
    expect(await options('last/orders')).toEqual([204, 'GET, HEAD, OPTIONS'])
    expect(await options('nowhere')).toEqual([404, null])
  })

  test('may read nothing without the option', async () => {
    const { get } = await serve()
    const { headers } = await get('last/orders', { headers: { origin: ORIGIN } })
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })
})

describe('gzip', () => {
  test('is for what is long, where the client takes it', async () => {
    const { post, url } = await serve()
    const encoding = async (accept: string): Promise<unknown> =>
      (await ask(url, '/api/v1/last/orders', { headers: { 'accept-encoding': accept } })).headers[
        'content-encoding'
      ]
    await post('send/orders', { symbol: 'A' })
    expect(await encoding('gzip')).toBeUndefined()
    for (const length of [2_000, 200_000]) {
      await post('send/orders', { symbol: 'A', tags: ['x'.repeat(length)] })
      for (const accept of ['gzip', 'br, gzip;q=0.5', '*']) {
        expect([accept, await encoding(accept)]).toEqual([accept, 'gzip'])
      }
      for (const accept of ['', 'identity', 'gzip;q=0', 'gzip;q=0.0', 'br']) {
        expect([accept, await encoding(accept)]).toEqual([accept, undefined])
      }
    }
  })

  test('is told to caches, whether it is used or not', async () => {
    const { post, url } = await serve({ cors: { origins: [ORIGIN] } })
    await post('send/orders', { symbol: 'A', tags: ['x'.repeat(2_000)] })
    const vary = async (path: string, headers: Record<string, string>): Promise<string[]> => {
      const answer = await ask(url, `/api/v1/${path}`, { headers })
      return String(answer.headers.vary).split(', ').sort()
    }
    const etag = String((await ask(url, '/api/v1/last/orders')).headers.etag)
    // In its plain form it goes another way than with a question mark.
    for (const path of ['last/orders', 'last/orders?', 'state/orders']) {
      for (const headers of [{}, { 'accept-encoding': 'gzip' }, { 'if-none-match': etag }]) {
        expect([path, await vary(path, headers)]).toEqual([path, ['Accept-Encoding', 'Origin']])
      }
    }
  })

  test('has the same content, and its tag is good for the plain answer', async () => {
    const { post, url } = await serve()
    await post('send/orders', { symbol: 'A', tags: ['x'.repeat(5_000)] })
    const raw = await openRaw(url)
    raw.say(
      'GET /api/v1/last/orders HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n',
    )
    await raw.ended
    const body = gunzipSync(raw.heard.subarray(raw.heard.indexOf('\r\n\r\n') + 4)).toString()
    const plain = await ask(url, '/api/v1/last/orders')
    expect(body).toBe(plain.text)
    const [, etag = ''] = /^etag: (.*)$/im.exec(raw.text) ?? []
    expect(etag).toMatch(/^W\//)
    const again = await ask(url, '/api/v1/last/orders', { headers: { 'if-none-match': etag } })
    expect(again.status).toBe(304)
  })
})
