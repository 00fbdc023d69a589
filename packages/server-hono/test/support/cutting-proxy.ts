import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A proxy that cuts every connection after a number of bytes to the client, wherever that is. */
export async function cuttingProxy(
  url: string,
  bytesUntilCut: () => number,
): Promise<{ readonly url: string; readonly cuts: () => number }> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    let left = bytesUntilCut()
    client.pipe(upstream)
    upstream.on('data', (bytes: Buffer) => {
      if (bytes.length < left) {
        left -= bytes.length
        if (!client.write(bytes)) {
          upstream.pause()
          client.once('drain', () => upstream.resume())
        }
        return
      }
      cuts++
      client.end(bytes.subarray(0, left))
      upstream.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port: own } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${own}`, cuts: () => cuts }
}
