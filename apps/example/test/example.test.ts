import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'

const PROGRAM = join(import.meta.dirname, '../dist/main.js')
const PLAIN = ['example', 'example_with_state', 'example_with_state_multiple', 'example_with_stage']

interface ExampleProcess {
  readonly url: string
  readonly process: ChildProcess
}

async function start(...args: string[]): Promise<ExampleProcess> {
  const child = spawn(process.execPath, [PROGRAM, '--port', '0', ...args])
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  for await (const chunk of child.stdout) {
    output += String(chunk)
    const [url] = /http:\/\/[\d.]+:\d+/.exec(output) ?? []
    if (url !== undefined) return { url, process: child }
  }
  throw new Error(`the example has not started: ${output}`)
}

async function stop({ process }: ExampleProcess): Promise<void> {
  const ended = once(process, 'exit')
  process.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
}

let example: ExampleProcess

beforeAll(async () => {
  example = await start('--interval', '20')
  await get('next/example')
})
afterAll(() => stop(example))

async function get(path: string, init?: RequestInit): Promise<unknown> {
  const answer = await fetch(`${example.url}/api/v1/${path}`, init)
  expect(answer.status, path).toBe(200)
  return answer.json()
}

function post(body: unknown): RequestInit {
  return {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  }
}

describe('the example gateway', () => {
  test.each(PLAIN)('answers last of %s', async (name) => {
    const [record] = (await get(`last/${name}`)) as { x: number; y: string }[]
    expect(record).toMatchObject({
      id: expect.stringMatching(/^\d+$/),
      y: String(record?.x).repeat(3),
      internal_csp_struct: { z: 12 },
      data: expect.objectContaining({ length: 10 }),
    })
  })

  test('ticks one record on the plain channels, the list and the states', async () => {
    const [record] = (await get('next/example_list')) as { id: string; x: number }[]
    for (const name of ['example_with_state', 'example_with_state_alternative']) {
      const filter = encodeURIComponent(
        JSON.stringify({ filters: [{ attr: 'x', by: { value: record?.x, where: '==' } }] }),
      )
      expect(await get(`state/${name}?query=${filter}`)).toMatchObject([{ id: record?.id }])
    }
  })

  test('ticks the records of one basket under the keys of the other', async () => {
    // The two waits may see different ticks of the timer; under one key, they see the same one before long.
    const next = () => Promise.all([get('next/basket/B'), get('next/str_basket/b')])
    await expect.poll(next).toSatisfy(([ofBasket, ofTexts]) => isDeepStrictEqual(ofBasket, ofTexts))
  })

  test('takes a record, and answers it completed', async () => {
    const [sent] = (await get('send/example', post({ x: 7_000_000, y: 'sent' }))) as {
      id: string
    }[]
    expect(sent).toMatchObject({ x: 7_000_000, y: 'sent', z: '', mapping: {} })
    expect(await get(`lookup/example/${sent?.id}`)).toEqual([sent])
    expect(await get('state/example?where=x:eq:7000000')).toEqual([sent])
  })

  test('refuses a record below zero in the words of the reference', async () => {
    const answer = await fetch(`${example.url}/api/v1/send/example`, post({ x: -1 }))
    expect(answer.status).toBe(422)
    expect(JSON.stringify(await answer.json())).toContain('value must be non-negative.')
  })

  test('has no last of what nobody provides', async () => {
    const answer = await fetch(`${example.url}/api/v1/last/never_ticks`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ detail: 'Channel not found: never_ticks' })
  })

  test('shows its static field', async () => {
    expect(await get('field/metadata')).toEqual({ name: 'Demo' })
  })

  test('answers HEAD and OPTIONS wherever it answers GET', async () => {
    const paths = PLAIN.flatMap((name) => [`last/${name}`, `next/${name}`])
    paths.push('last/example_list', 'last/basket/A', 'state/example', 'field/metadata', 'send/')
    for (const path of paths) {
      const head = await fetch(`${example.url}/api/v1/${path}`, { method: 'HEAD' })
      expect([path, head.status, await head.text()]).toEqual([path, 200, ''])
      const options = await fetch(`${example.url}/api/v1/${path}`, { method: 'OPTIONS' })
      expect([path, options.status]).toEqual([path, 204])
      expect(options.headers.get('allow')).toMatch(/GET.*HEAD/)
    }
  })

  test('streams each plain channel', async () => {
    const socket = new WebSocket(`${example.url.replace('http', 'ws')}/api/v1/stream`)
    await once(socket, 'open')
    const waiting = new Set(PLAIN)
    const done = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as { channel: string; data: unknown[] }
        if (message.data.length === 1) waiting.delete(message.channel)
        if (waiting.size === 0) resolve()
      })
    })
    for (const channel of PLAIN) socket.send(JSON.stringify({ action: 'subscribe', channel }))
    await done
    socket.terminate()
  })
})

test('a burst ticks the channel several times at one tick of its timer', async () => {
  const other = await start('--interval', '50', '--burst', '5')
  const { url } = other
  await fetch(`${url}/api/v1/next/basket/A`)
  const records = (await (await fetch(`${url}/api/v1/state/example`)).json()) as {
    timestamp: string
  }[]
  const counts = new Map<string, number>()
  for (const { timestamp } of records) counts.set(timestamp, (counts.get(timestamp) ?? 0) + 1)
  expect(new Set(counts.values())).toEqual(new Set([5]))
  await stop(other)
})

test('with a key it answers only to the key', async () => {
  const other = await start('--api-key', 'the-key-of-the-example')
  const last = `${other.url}/api/v1/last/example`
  expect((await fetch(last)).status).toBe(403)
  const token = encodeURIComponent('the-key-of-the-example')
  expect((await fetch(`${last}?token=${token}`)).status).toBe(200)
  await stop(other)
})

test.each([['--port', '70000'], ['--burst', '0'], ['--interval', 'soon'], ['--nonsense']])(
  '%s %s ends with code 1 and one sentence',
  async (...args) => {
    const child = spawn(process.execPath, [PROGRAM, ...args.filter((it) => it !== undefined)])
    let text = ''
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    expect(await once(child, 'close')).toEqual([1, null])
    expect(text.trim().split('\n')).toHaveLength(1)
  },
)
