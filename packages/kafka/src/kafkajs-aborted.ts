// @ts-expect-error kafkajs has no types for what is inside it.
import fetchRequests from 'kafkajs/src/protocol/requests/fetch/index.js'

interface Requests {
  protocol(asked: { readonly version: number }): (options: object) => FetchRequest
}

interface FetchRequest {
  readonly response: { decode(bytes: Buffer): Promise<FetchResponse> }
}

interface FetchResponse {
  readonly responses: readonly {
    readonly partitions: readonly {
      readonly abortedTransactions?: { readonly firstOffset: string }[] | null
    }[]
  }[]
}

let isOrdered = false

/**
 * Brokers tell the aborted transactions of what they give in the order of their ends; kafkajs 2.2.4 takes it for that of their
 * beginnings, and hands on what one of them wrote before another that ended in its midst began. Here they are put in order.
 */
export function orderAbortedTransactions(): void {
  if (isOrdered) return
  isOrdered = true
  const requests = fetchRequests as Requests
  const protocol = requests.protocol
  requests.protocol = (asked) => {
    const requestOf = protocol(asked)
    return (options) => {
      const request = requestOf(options)
      const { response } = request
      const decode = async (bytes: Buffer): Promise<FetchResponse> => {
        const decoded = await response.decode(bytes)
        for (const { partitions } of decoded.responses) {
          for (const { abortedTransactions } of partitions) abortedTransactions?.sort(byBeginning)
        }
        return decoded
      }
      return { ...request, response: { ...response, decode } }
    }
  }
}

function byBeginning(
  a: { readonly firstOffset: string },
  b: { readonly firstOffset: string },
): number {
  return BigInt(a.firstOffset) < BigInt(b.firstOffset) ? -1 : 1
}
