import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { ask } from './support/http.js'
import { serve, TestSocket } from './support/serve.js'

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gw-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'gateway')
}

describe('a UNIX socket', () => {
  test('serves all routes and the stream, for its owner alone unless told otherwise', async () => {
    const path = socketPath()
    await serve({ unix: path })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const sent = await ask(path, '/api/v1/send/orders', { method: 'POST', body: { symbol: 'A' } })
    expect([sent.status, sent.body]).toMatchObject([200, [{ symbol: 'A' }]])
    for (const route of ['/api/v1/last/orders', '/openapi.json', '/docs', '/healthz', '/metrics']) {
      expect([route, (await ask(path, route)).status]).toEqual([route, 200])
    }
    const socket = new WebSocket(`ws+unix:${path}:/api/v1/stream`)
    onTestFinished(() => socket.terminate())
    await new Promise((resolve) => socket.once('open', resolve))
    const subscribe = { id: 1, action: 'subscribe', channel: 'orders', from: 'snapshot' }
    expect(await new TestSocket(socket).ask(subscribe)).toMatchObject({ ok: true, offset: 1 })
  })

  test('has the mode that is asked for, and its file goes with the gateway', async () => {
    const path = socketPath()
    const { gateway } = await serve({ unix: { path, mode: 0o660 }, port: false })
    expect(statSync(path).mode & 0o777).toBe(0o660)
    await gateway.stop()
    expect(existsSync(path)).toBe(false)
  })

  test('takes the place of a file that a process has left behind', async () => {
    const path = socketPath()
    // Ends without a chance to remove its file.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    expect(() => execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' })).toThrow()
    expect(existsSync(path)).toBe(true)
    await serve({ unix: path })
    expect((await ask(path, '/healthz')).status).toBe(200)
  })

  test('takes no file on which somebody listens, and none that is no socket', async () => {
    const path = socketPath()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(path, resolve))
    onTestFinished(() => void other.close())
    await expect(serve({ unix: path })).rejects.toMatchObject({
      cause: { code: 'SOCKET_PATH_TAKEN' },
    })
    expect(existsSync(path)).toBe(true)
    const file = `${path}.txt`
    writeFileSync(file, 'precious')
    await expect(serve({ unix: file })).rejects.toMatchObject({
      cause: { code: 'SOCKET_PATH_TAKEN' },
    })
    expect(statSync(file).size).toBe(8)
  })
})

test('a port that is taken, and an address that is none, are told as such', async () => {
  const { url } = await serve()
  const port = Number(new URL(url).port)
  expect(new URL(url).hostname).toBe('127.0.0.1')
  await expect(serve({ port })).rejects.toMatchObject({ cause: { code: 'ADDRESS_IN_USE' } })
  await expect(serve({ host: '192.0.2.1' })).rejects.toMatchObject({
    cause: { code: 'ADDRESS_UNAVAILABLE' },
  })
})
