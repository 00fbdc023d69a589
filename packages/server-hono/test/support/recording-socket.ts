import { WebSocket } from 'ws'
import type { Heard } from './serve.js'

/** A client's socket that keeps all that it hears. */
export class RecordingSocket {
  readonly messages: Heard[] = []
  readonly #socket: WebSocket
  readonly #waiting = new Map<unknown, (answer: Heard) => void>()

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => {
      const message: Heard = JSON.parse(String(data))
      this.messages.push(message)
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
    })
  }

  /** Opens the stream of `http://...`, or of a UNIX socket. */
  static async open(
    to: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<RecordingSocket> {
    const base = to.startsWith('http') ? to.replace('http', 'ws') : `ws+unix://${to}:`
    const socket = new WebSocket(`${base}/api/v1/stream`, { headers })
    const recording = new RecordingSocket(socket)
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    return recording
  }

  /** Says something with an id, and hears its answer. */
  ask(message: { readonly id: unknown; readonly [member: string]: unknown }): Promise<Heard> {
    return new Promise((resolve) => {
      this.#waiting.set(message.id, resolve)
      this.#socket.send(JSON.stringify(message))
    })
  }

  terminate(): void {
    this.#socket.terminate()
  }
}
