import { connect, type Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
const LENGTH = Buffer.from('ontent-')

/** Requests a second that a server answers on so many connections, each with one request at a time. */
export async function requestsPerSecond(
  port: number,
  request: Buffer,
  connections: number,
  durationMs: number,
): Promise<number> {
  let answered = 0
  let isOver = false
  const sockets = await Promise.all(
    Array.from({ length: connections }, () =>
      client(
        port,
        request,
        () => isOver,
        () => answered++,
      ),
    ),
  )
  const started = performance.now()
  for (const socket of sockets) socket.write(request)
  await new Promise((resolve) => setTimeout(resolve, durationMs))
  const elapsedMs = performance.now() - started
  isOver = true
  const rate = (answered * 1_000) / elapsedMs
  for (const socket of sockets) socket.destroy()
  return Math.round(rate)
}

function client(
  port: number,
  request: Buffer,
  isOver: () => boolean,
  onAnswer: () => void,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket))
    let rest: Buffer | undefined
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
      const length = answerLength(bytes)
      if (length === undefined || bytes.length < length) {
        rest = bytes
        return
      }
      rest = undefined
      onAnswer()
      if (!isOver()) socket.write(request)
    })
  })
}

/** Length of the whole answer, once its head is there. @throws Error for an answer that is no 200. */
function answerLength(bytes: Buffer): number | undefined {
  const head = bytes.indexOf(HEAD_END)
  if (head === -1) return undefined
  if (bytes[9] !== 0x32) throw new Error(`refused: ${bytes.toString()}`)
  let at = bytes.indexOf(LENGTH)
  while (at !== -1 && bytes[at + 7] !== 0x4c && bytes[at + 7] !== 0x6c) {
    at = bytes.indexOf(LENGTH, at + 1)
  }
  if (at === -1) throw new Error('an answer says not how long it is')
  return head + 4 + Number.parseInt(bytes.toString('latin1', at + 14, at + 24), 10)
}
