import { type IncomingMessage, request } from 'node:http'
import { WebSocket } from 'ws'

/** How a request ended: its status, or of a WebSocket the answer to its first message, and the code of a refusal. */
export interface Outcome {
  readonly status: number
  readonly code: string | undefined
  readonly text: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What a request carries. */
export interface Carried {
  readonly headers?: Readonly<Record<string, string>>
  /** Of the URL, without its mark. */
  readonly query?: string
}

/** A way in: `http://...`, or the path of a UNIX socket. */
export type Door = string

/** One request and its whole answer; of an event stream the beginning. */
export async function ask(
  door: Door,
  method: string,
  path: string,
  carried: Carried = {},
  body?: string,
): Promise<Outcome> {
  const { response, hangUp } = await begin(door, method, path, carried, body)
  let text = ''
  for await (const part of response) {
    text += part
    if (response.headers['content-type'] === 'text/event-stream') break
  }
  hangUp()
  return outcome(response.statusCode ?? 0, response.headers, text)
}

/** An event stream that stays open; `ended` when the server has ended it. */
export async function openEvents(
  door: Door,
  path: string,
  carried: Carried,
): Promise<{ readonly ended: Promise<string>; hangUp(): void }> {
  const { response, hangUp } = await begin(door, 'GET', path, carried)
  let text = ''
  const ended = new Promise<string>((resolve) => response.once('end', () => resolve(text)))
  await new Promise<void>((resolve) =>
    response.on('data', (part) => {
      text += part
      resolve()
    }),
  )
  return { ended, hangUp }
}

/** Opens a WebSocket; a refusal is its outcome. */
export function openSocket(
  door: Door,
  { headers = {}, query }: Carried,
): Promise<WebSocket | Outcome> {
  const base = door.startsWith('http') ? door.replace('http', 'ws') : `ws+unix://${door}:`
  const search = query === undefined ? '' : `?${query}`
  const socket = new WebSocket(`${base}/api/v1/stream${search}`, { headers })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
    socket.once('unexpected-response', async (_, response) => {
      let text = ''
      for await (const part of response) text += part
      resolve(outcome(response.statusCode ?? 0, response.headers, text))
    })
  })
}

/** Opens a WebSocket and says one thing. */
export async function tell(door: Door, carried: Carried, message: object): Promise<Outcome> {
  const socket = await openSocket(door, carried)
  if (!(socket instanceof WebSocket)) return socket
  const answer = new Promise<string>((resolve) =>
    socket.once('message', (data) => resolve(String(data))),
  )
  socket.send(JSON.stringify({ id: 1, ...message }))
  const text = await answer
  socket.terminate()
  const { ok, code } = JSON.parse(text) as { ok: boolean; code?: string }
  return { status: ok ? 200 : 400, code, text, headers: {} }
}

/** When a socket is closed: with which code. */
export function closing(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.once('close', resolve))
}

function begin(
  door: Door,
  method: string,
  path: string,
  { headers = {}, query }: Carried,
  body = '',
): Promise<{ readonly response: IncomingMessage; hangUp(): void }> {
  const target = `${path}${query === undefined ? '' : `?${query}`}`
  const options = {
    method,
    agent: false,
    headers: {
      Host: 'gateway',
      ...(body === '' ? {} : { 'Content-Type': 'application/json', 'Content-Length': body.length }),
      ...headers,
    },
  } as const
  return new Promise((resolve, reject) => {
    const call = door.startsWith('http')
      ? request(new URL(target, door), options)
      : request({ ...options, socketPath: door, path: target })
    call.on('error', reject)
    call.on('response', (response) => resolve({ response, hangUp: () => call.destroy() }))
    call.end(body)
  })
}

function outcome(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  text: string,
): Outcome {
  const isJson = text !== '' && String(headers['content-type']).includes('json')
  const { code } = isJson ? ((JSON.parse(text) ?? {}) as { code?: string }) : { code: undefined }
  return { status, code, text, headers }
}
