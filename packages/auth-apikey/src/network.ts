import { isIPv6 } from 'node:net'

/** Groups of 16 bits of an IPv6 address that name the network: the other half anybody in it can choose. */
const NETWORK_GROUPS = 4

/**
 * What an address is counted under: an IPv4 address itself, however it is spelt; of an IPv6 address its network of 64
 * bits, since one host has all addresses of it (RFC 4291, section 2.5.1).
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%', 1)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(plain)) return address
  const [head = '', tail] = plain.split('::', 2)
  const front = groupsOf(head)
  const back = groupsOf(tail ?? '')
  // A text of dots at the end stands for two groups, which are beyond the network.
  const length = front.length + back.length + (plain.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - length)
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back].slice(0, NETWORK_GROUPS)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

function groupsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split(':')
}
