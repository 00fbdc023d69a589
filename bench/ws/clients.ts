import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

const FRAME_TEXT = 0x81
const HEAD_END = Buffer.from('\r\n\r\n')
/** Begins the data of a server-sent event. */
const EVENT_DATA = Buffer.from('\ndata: ')
const SENT_AT = Buffer.from('"sentAt":')

/** How clients come, and what they say. */
export interface ClientsOptions {
  /** What each says on its WebSocket, once that is open. */
  readonly messages?: readonly object[]
  /** Path of server-sent events, which are read in place of a WebSocket. */
  readonly events?: string
  /** Whether to look how late messages come. */
  readonly looksAtTimes?: boolean
  /** Headers that each has of its own. */
  readonly headersOf?: (index: number) => string
}

/** Clients that count what they get, and do no more with it than they must: the server is what is measured. */
export class Clients {
  /** Messages of all clients. */
  messages = 0
  /** Messages of each. */
  readonly counts: number[] = []
  /** How late messages came, in milliseconds, where that is looked at. */
  readonly latenciesMs: number[] = []
  /** Called for each piece that came. */
  onData: () => void = () => undefined
  readonly #sockets: Socket[] = []

  readonly #options: ClientsOptions

  private constructor(options: ClientsOptions) {
    this.#options = options
  }

  /** Opens `count` connections to a port, or to the path of a UNIX socket. */
  static async open(to: number | string, count: number, options: ClientsOptions): Promise<Clients> {
    const clients = new Clients(options)
    // Not more at once than a listener's backlog takes.
    for (let opened = 0; opened < count; opened += 100) {
      const some = Math.min(100, count - opened)
      await Promise.all(Array.from({ length: some }, () => clients.#open(to)))
    }
    return clients
  }

  /** The least that any client has. */
  get least(): number {
    return Math.min(...this.counts)
  }

  reset(): void {
    this.messages = 0
    this.counts.fill(0)
    this.latenciesMs.length = 0
  }

  /** Takes nothing more: what comes waits in the system, and then in the server. */
  pause(): void {
    for (const socket of this.#sockets) socket.pause()
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #open(to: number | string): Promise<void> {
    const { messages = [], events, headersOf } = this.#options
    const index = this.counts.push(0) - 1
    return new Promise((resolve, reject) => {
      const socket = connect(
        typeof to === 'string' ? { path: to } : { host: '127.0.0.1', port: to, noDelay: true },
      )
      this.#sockets.push(socket)
      socket.on('error', reject)
      const headers = headersOf?.(index) ?? ''
      socket.write(events === undefined ? handshake(headers) : eventsRequest(events, headers))
      let isOpen = false
      let rest: Buffer | undefined
      socket.on('data', (chunk: Buffer) => {
        let bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
        rest = undefined
        if (!isOpen) {
          const end = bytes.indexOf(HEAD_END)
          if (end === -1) {
            rest = bytes
            return
          }
          isOpen = true
          for (const message of messages) socket.write(textFrame(JSON.stringify(message)))
          bytes = bytes.subarray(end + HEAD_END.length)
          resolve()
        }
        rest = events === undefined ? this.#take(index, bytes) : this.#takeEvents(index, bytes)
        this.onData()
      })
    })
  }

  /** Counts whole messages. @returns what is left. */
  #take(index: number, bytes: Buffer): Buffer | undefined {
    const { looksAtTimes = false } = this.#options
    let at = 0
    let count = 0
    while (at + 4 <= bytes.length) {
      const short = bytes[at + 1] as number
      if (short === 127) throw new Error('a message of 64 KiB or more')
      const head = short === 126 ? 4 : 2
      const end = at + head + (short === 126 ? bytes.readUInt16BE(at + 2) : short)
      if (end > bytes.length) break
      if (bytes[at] === FRAME_TEXT) {
        count++
        if (looksAtTimes) this.#look(bytes.subarray(at, end))
      }
      at = end
    }
    this.#count(index, count)
    return at === bytes.length ? undefined : bytes.subarray(at)
  }

  /** Counts events by where their data begins. @returns what may be the start of one. */
  #takeEvents(index: number, bytes: Buffer): Buffer {
    let count = 0
    for (let at = bytes.indexOf(EVENT_DATA); at !== -1; ) {
      count++
      at = bytes.indexOf(EVENT_DATA, at + EVENT_DATA.length)
    }
    this.#count(index, count)
    return bytes.subarray(Math.max(0, bytes.length - EVENT_DATA.length + 1))
  }

  #count(index: number, count: number): void {
    this.messages += count
    this.counts[index] = (this.counts[index] as number) + count
  }

  #look(message: Buffer): void {
    const start = message.lastIndexOf(SENT_AT)
    if (start === -1) return
    const sentAt = Number.parseFloat(message.toString('latin1', start + SENT_AT.length))
    this.latenciesMs.push(performance.timeOrigin + performance.now() - sentAt)
  }
}

function handshake(headers: string): string {
  const key = randomBytes(16).toString('base64')
  return `GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${headers}\r\n`
}

function eventsRequest(path: string, headers: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n${headers}\r\n`
}

/** A short message as a client frames it, with a mask of zeros. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const length =
    payload.length < 126
      ? [0x80 | payload.length]
      : [0x80 | 126, payload.length >> 8, payload.length & 0xff]
  return Buffer.concat([Buffer.from([FRAME_TEXT, ...length, 0, 0, 0, 0]), payload])
}
