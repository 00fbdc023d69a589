import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Name of the peer on a UNIX socket, which has no address. */
const UNIX = 'unix'

/** Says where requests come from: the peer itself, or whom a proxy that is trusted names in `X-Forwarded-For`. */
export class Proxies {
  readonly #trusted: BlockList | undefined
  readonly #trustsUnix: boolean

  /**
   * `trusted` are addresses, networks such as `10.0.0.0/8`, and `unix`.
   * @throws Error when one of them is none.
   */
  constructor(trusted: readonly string[]) {
    this.#trustsUnix = trusted.includes(UNIX)
    if (trusted.length === 0) return
    this.#trusted = new BlockList()
    for (const each of trusted) if (each !== UNIX) add(this.#trusted, each)
  }

  /** Address of whoever asks; `unix` on a UNIX socket. */
  addressOf(incoming: IncomingMessage | undefined): string {
    const peer = incoming?.socket.remoteAddress ?? UNIX
    if (this.#trusted === undefined || !this.#trusts(peer)) return peer
    const forwarded = incoming?.headers['x-forwarded-for']
    if (forwarded === undefined) return peer
    // Each proxy adds whom it has heard at the end; what is left of the first that nobody vouches for, anybody may have written.
    const names = [forwarded].flat().join(',').split(',')
    let address = peer
    while (this.#trusts(address)) {
      const named = addressIn(names.pop())
      if (named === undefined) return address
      address = named
    }
    return address
  }

  #trusts(address: string): boolean {
    if (address === UNIX) return this.#trustsUnix
    const family = isIP(address)
    return family !== 0 && this.#trusted?.check(address, family === 6 ? 'ipv6' : 'ipv4') === true
  }
}

function add(list: BlockList, text: string): void {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const width = family === 6 ? 128 : 32
  const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= width)
  if (family === 0 || rest.length > 0 || !isPrefix) throw new Error(`${text} is no address`)
  list.addSubnet(address, bits === undefined ? width : Number(bits), family === 6 ? 'ipv6' : 'ipv4')
}

/** The address in an entry, which may have a port, and brackets then. */
function addressIn(entry: string | undefined): string | undefined {
  const text = entry?.trim() ?? ''
  const plain =
    /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  return isIP(plain) === 0 ? undefined : plain
}
