import { type ClientRequest, request } from 'node:http'
import type { Heard } from './serve.js'

/** An event stream over TCP or a UNIX socket that keeps all that it hears. */
export class RecordingEvents {
  readonly #call: ClientRequest
  #text = ''

  private constructor(call: ClientRequest) {
    this.#call = call
  }

  /** Opens it; it is live when this is fulfilled. */
  static open(
    to: string,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<RecordingEvents> {
    const options = { headers: { Host: 'gateway', ...headers }, agent: false } as const
    const call = to.startsWith('http')
      ? request(new URL(path, to), options)
      : request({ ...options, socketPath: to, path })
    const events = new RecordingEvents(call)
    return new Promise((resolve, reject) => {
      call.on('error', reject)
      call.on('response', (response) => {
        response.setEncoding('utf8')
        response.on('error', () => undefined)
        response.on('data', (chunk: string) => {
          events.#text += chunk
          resolve(events)
        })
      })
      call.end()
    })
  }

  /** The ticks so far. */
  get ticks(): readonly Heard[] {
    return this.#text
      .split('\n\n')
      .filter((block) => /^event: ?data$/m.test(block))
      .map((block) => JSON.parse(/^data: ?(.*)$/m.exec(block)?.[1] ?? ''))
  }

  close(): void {
    this.#call.destroy()
  }
}
