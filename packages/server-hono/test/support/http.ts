import { Agent, request } from 'node:http'

const agent = new Agent({ keepAlive: true })

/** An answer over TCP or a UNIX socket. */
export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any
}

/** One request, to `http://...` or to the path of a UNIX socket. */
export function ask(
  to: string,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
    signal,
  }: {
    method?: string
    headers?: Readonly<Record<string, string>>
    body?: unknown
    signal?: AbortSignal
  } = {},
): Promise<Answered> {
  const text = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers: {
        Host: 'gateway',
        ...(body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
        ...headers,
      },
      agent,
      ...(signal === undefined ? {} : { signal }),
    } as const
    const call = to.startsWith('http')
      ? request(new URL(path, to), options)
      : request({ ...options, socketPath: to, path })
    call.on('error', reject)
    call.on('response', (response) => {
      let answer = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        answer += chunk
      })
      response.on('end', () => {
        const { 'content-type': type, 'content-encoding': encoding } = response.headers
        const isJson = type?.includes('json') === true && encoding === undefined
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: answer,
          body: isJson && answer !== '' ? JSON.parse(answer) : undefined,
        })
      })
    })
    call.end(text)
  })
}
