import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DemoProcess, startDemo } from './demo-process.js'

const README = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8')
const SOCKET = join(tmpdir(), `gw-demo-${process.pid}.sock`)
const KEY = 'a-key-for-the-tests-of-the-demo'

let demo: DemoProcess

beforeAll(async () => {
  demo = await startDemo(['--api-key', KEY, '--unix', SOCKET, '--speed', '36000'])
})

afterAll(() => demo.stop())

/** The commands of the README's shell blocks, comments taken off. */
const COMMANDS = Array.from(README.matchAll(/```sh[^\n]*\n(.*?)```/gs), ([, block = '']) => block)
  .flatMap((block) => block.trim().split('\n'))
  .filter((line) => line.startsWith('curl'))
  .map((line) => line.replace(/ +#.*$/, ''))

describe('the README is true', () => {
  test('it shows each channel with curl and over the UNIX socket', () => {
    for (const channel of [
      'flights',
      'boards',
      'network',
      'thresholds',
      'alerts',
      'groundStops',
      'host',
    ]) {
      const lines = COMMANDS.filter((line) => line.includes(`/${channel}`))
      expect(lines.some((line) => line.includes('$URL'))).toBe(true)
      expect(lines.some((line) => line.includes('--unix-socket'))).toBe(true)
    }
  })

  test.each(COMMANDS)('%s', (command) => {
    const { status, stdout } = spawnSync('sh', ['-c', `${command} -w '\\n%{http_code}'`], {
      encoding: 'utf8',
      env: { ...process.env, URL: demo.url, KEY, SOCKET },
    })
    const [body = '', code] = [stdout.slice(0, stdout.lastIndexOf('\n')), stdout.split('\n').at(-1)]
    expect({ status, code }).toEqual({ status: 0, code: '200' })
    expect(JSON.parse(body)).toBeTypeOf('object')
  })

  test('the WebSocket client sees each channel', async () => {
    const code = /```js websocket.mjs\n(.*?)```/s.exec(README)?.[1] ?? ''
    const path = join(import.meta.dirname, '.websocket.mjs')
    writeFileSync(path, code)
    const client = spawn(process.execPath, [path], { env: { ...process.env, URL: demo.url, KEY } })
    try {
      const seen = new Set<string>()
      let text = ''
      for await (const chunk of client.stdout) {
        text += chunk
        const lines = text.split('\n')
        text = lines.pop() ?? ''
        for (const line of lines) {
          const message = JSON.parse(line) as { channel?: string; id?: number; ok?: boolean }
          seen.add(message.channel ?? `${message.id} ${message.ok}`)
        }
        if (
          ['flights', 'network', 'boards', 'host', 'thresholds', '1 true', '2 true'].every((it) =>
            seen.has(it),
          )
        ) {
          break
        }
      }
      expect(seen).toContain('thresholds')
    } finally {
      client.kill()
      rmSync(path)
    }
  })
})

test('the client example prints the worst five, sets a threshold and sees the alert', async () => {
  const program = join(import.meta.dirname, '../client/dist/main.js')
  const client = spawn(process.execPath, [program], {
    env: { ...process.env, GW_URL: demo.url, GW_API_KEY: KEY, DEMO_RUN_MS: '3000' },
  })
  let output = ''
  for await (const chunk of client.stdout) output += chunk
  expect(output).toMatch(/worst five: [A-Z0-9]{3} [\d.]+ {3}/)
  expect(output).toMatch(/threshold of ([A-Z0-9]{3}) set to \d+ min/)
  expect(output).toMatch(/alert: ([A-Z0-9]{3}) has a mean delay of \d+ min/)
})

test('a ground stop acknowledges the alerts of its airport while it holds', async () => {
  const headers = { 'X-API-Key': KEY, 'content-type': 'application/json' }
  const post = async (channel: string, record: object): Promise<void> => {
    const answer = await fetch(`${demo.url}/api/v1/send/${channel}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(record),
    })
    expect(answer.status).toBe(200)
  }
  const alerts = async (): Promise<{ airport: string; acknowledged: boolean }[]> => {
    const answer = await fetch(`${demo.url}/api/v1/state/alerts?where=status:eq:raised`, {
      headers,
    })
    return (await answer.json()) as { airport: string; acknowledged: boolean }[]
  }
  await post('thresholds', { airport: '*', minutes: 1 })
  await expect.poll(async () => (await alerts()).length).toBeGreaterThan(0)
  const [first] = await alerts()
  const airport = first?.airport ?? ''
  const isAcknowledged = async (): Promise<boolean | undefined> =>
    (await alerts()).find((alert) => alert.airport === airport)?.acknowledged
  await post('groundStops', { airport, reason: 'test' })
  await expect.poll(isAcknowledged).toBe(true)
  await post('groundStops', { airport, active: false })
  await expect.poll(isAcknowledged).toBe(false)
  await post('thresholds', { airport: '*', minutes: 45 })
})

test('bad requests get a code, and nobody else notices', async () => {
  const headers = { 'X-API-Key': KEY, 'content-type': 'application/json' }
  const ask = async (path: string, init: RequestInit = {}): Promise<unknown> => {
    const answer = await fetch(`${demo.url}/api/v1${path}`, { headers, ...init })
    return [answer.status, ((await answer.json()) as { code: string }).code]
  }
  const post = (body: string): RequestInit => ({ method: 'POST', body })
  expect(await ask('/last/nothing')).toEqual([404, 'NOT_FOUND'])
  expect(await ask('/last/boards/XXX')).toEqual([404, 'UNKNOWN_KEY'])
  expect(await ask('/send/thresholds', post('{"airport":'))).toEqual([422, 'INVALID_JSON'])
  expect(await ask('/send/thresholds', post('{"airport":"ATL","minutes":"soon"}'))).toEqual([
    422,
    'INVALID_RECORD',
  ])
  expect(await ask('/send/thresholds', post('{"airport":"ATL","minutes":5,"why":1}'))).toEqual([
    422,
    'INVALID_RECORD',
  ])
  expect(await ask('/send/thresholds', post(`"${'x'.repeat(2 ** 20)}"`))).toEqual([
    413,
    'BODY_TOO_LARGE',
  ])
  expect(await ask('/last/flights', { headers: {} })).toEqual([403, 'UNAUTHORIZED'])
  expect(await ask('/last/flights', { headers: { 'X-API-Key': 'wrong' } })).toEqual([
    403,
    'UNAUTHORIZED',
  ])
  expect((await fetch(`${demo.url}/api/v1/last/flights`, { headers })).status).toBe(200)
})

describe('the process', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('ends with code 0 on %s', async (signal) => {
    const other = await startDemo(['--no-auth'])
    other.process.kill(signal)
    expect(await other.ended).toBe(0)
  })

  test('makes a key where none is given, prints it once, and asks for it', async () => {
    const other = await startDemo([], { API_KEY: undefined })
    const [key = '', ...more] = other.output().match(/gw_\w+/g) ?? []
    expect(more).toEqual([])
    const ask = async (headers: HeadersInit): Promise<number> =>
      (await fetch(`${other.url}/api/v1/last/network`, { headers })).status
    expect([await ask({ 'X-API-Key': key }), await ask({})]).toEqual([200, 403])
    await other.stop()
  })

  test('ends with code 0 when all departures have been replayed', async () => {
    const other = await startDemo(['--no-auth', '--from', '2001-06-30T23:50', '--speed', '6000'])
    expect(await other.ended).toBe(0)
    expect(other.output()).toContain('all departures have been replayed')
  })

  test('goes on after the last departure when told to, with times shifted by the span of the data', async () => {
    const other = await startDemo([
      '--no-auth',
      '--from',
      '2001-06-30T23:50',
      '--speed',
      '6000',
      '--at-end',
      'loop',
    ])
    const lastDeparture = async (): Promise<{ scheduled: string; timestamp: string }> => {
      const answer = await fetch(`${other.url}/api/v1/next/flights`)
      const [flight] = (await answer.json()) as { scheduled: string; timestamp: string }[]
      return flight ?? { scheduled: '', timestamp: '' }
    }
    let flight = await lastDeparture()
    while (flight.scheduled < '2001-07-01T02:00') flight = await lastDeparture()
    expect(flight.scheduled).toMatch(/^2001-07-01T/)
    expect(flight.timestamp).toMatch(/^2001-07-01T/)
    await other.stop()
  })

  test('ends when its parent has gone, and frees the port', async () => {
    const program = join(import.meta.dirname, '../dist/main.js')
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `require('node:child_process').spawn(process.execPath, ${JSON.stringify([program, '--port', '0', '--no-auth'])}, { stdio: 'inherit' })`,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let output = ''
    for await (const chunk of parent.stdout) {
      output += chunk
      if (/pid +\d+/.test(output)) break
    }
    const pid = Number(/pid +(\d+)/.exec(output)?.[1])
    parent.kill('SIGKILL')
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false)
  })

  test('a second one on the same port ends with code 1 and one sentence', async () => {
    const port = new URL(demo.url).port
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(import.meta.dirname, '../dist/main.js'), '--port', port, '--no-auth'],
      { encoding: 'utf8' },
    )
    expect(status).toBe(1)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toContain(port)
  })

  test.each([
    [['--nonsense'], '--nonsense'],
    [['--speed', '0'], '--speed'],
    [['--speed', '-5'], '--speed'],
    [['--from', 'soon'], '--from'],
    [['--from', '2031-01-01'], '--from'],
    [['--at-end', 'dance'], '--at-end'],
    [['--port', '70000'], '--port'],
    [['--api-key', ''], 'key'],
    [['--data', '/nowhere/flights.parquet'], '/nowhere/flights.parquet'],
  ])('%j ends with code 1 and one sentence', (args, named) => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(import.meta.dirname, '../dist/main.js'), ...args],
      { encoding: 'utf8', env: { ...process.env, GW_PORT: '0' } },
    )
    expect(status).toBe(1)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toContain(named)
  })
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
