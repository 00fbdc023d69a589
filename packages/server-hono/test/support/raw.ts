import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A TCP connection on which a test says exactly what it wants. */
export class RawSocket {
  readonly socket: Socket
  /** All that has come. */
  heard: Buffer = Buffer.alloc(0)
  /** Fulfilled when the server has ended the connection. */
  readonly ended: Promise<void>

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      this.heard = Buffer.concat([this.heard, bytes])
    })
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()))
  }

  say(bytes: string | Buffer): void {
    this.socket.write(bytes)
  }

  get text(): string {
    return this.heard.toString('latin1')
  }

  /** Code of the close frame, which comes last. */
  get closeCode(): number | undefined {
    const at = this.heard.lastIndexOf(0x88)
    return at === -1 || this.heard.length < at + 4 ? undefined : this.heard.readUInt16BE(at + 2)
  }
}

export async function openRaw(url: string): Promise<RawSocket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  onTestFinished(() => void socket.destroy())
  const raw = new RawSocket(socket)
  await new Promise((resolve) => socket.once('connect', resolve))
  return raw
}

/** A WebSocket of which the test makes the frames. */
export async function openRawWebSocket(url: string): Promise<RawSocket> {
  const raw = await openRaw(url)
  raw.say(
    `GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  )
  while (!raw.text.includes('\r\n\r\n')) {
    await new Promise((resolve) => raw.socket.once('data', resolve))
  }
  raw.heard = raw.heard.subarray(raw.heard.indexOf('\r\n\r\n') + 4)
  return raw
}

/** A frame from a client, with a mask of zeros. `first` is the byte of flags and opcode. */
export function frame(first: number, payload: Buffer | string, isMasked = true): Buffer {
  const bytes = Buffer.from(payload)
  const mask = isMasked ? 0x80 : 0
  const length =
    bytes.length < 126
      ? Buffer.from([mask | bytes.length])
      : Buffer.from([mask | 126, bytes.length >> 8, bytes.length & 0xff])
  return Buffer.concat([Buffer.from([first]), length, Buffer.alloc(isMasked ? 4 : 0), bytes])
}
