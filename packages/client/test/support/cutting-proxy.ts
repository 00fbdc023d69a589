import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A network that breaks: every connection through it ends after so many bytes, in the middle of a message if need be,
 * without a word to either side.
 */
export class CuttingProxy {
  /** Bytes towards the server, and towards the client, after which connections are cut; a list is used up in order. */
  readonly cuts: { readonly upstream: number; readonly downstream: number }[] = []
  connections = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #held = new WeakSet<Socket>()

  private constructor(target: string) {
    const { hostname, port } = new URL(target)
    this.#server = createServer((client) => {
      this.connections++
      const server = connect(Number(port), hostname)
      const cut = this.cuts.shift()
      const end = (): void => {
        client.destroy()
        server.destroy()
        this.#sockets.delete(client)
      }
      this.#sockets.add(client)
      const isHeld = (): boolean => this.#held.has(client)
      pass(client, server, cut?.upstream ?? Number.POSITIVE_INFINITY, isHeld, end)
      pass(server, client, cut?.downstream ?? Number.POSITIVE_INFINITY, isHeld, end)
    })
  }

  static async start(target: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Passes nothing on any more on the connections that there are, and closes none of them: they are half open. */
  hold(): void {
    for (const socket of this.#sockets) this.#held.add(socket)
  }

  /** Cuts all connections that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function pass(
  from: Socket,
  to: Socket,
  bytes: number,
  isHeld: () => boolean,
  end: () => void,
): void {
  let left = bytes
  from.on('data', (chunk) => {
    if (isHeld()) return
    to.write(chunk.subarray(0, left))
    left -= chunk.length
    if (left <= 0) setImmediate(end)
  })
  from.on('error', end)
  from.on('close', end)
}
