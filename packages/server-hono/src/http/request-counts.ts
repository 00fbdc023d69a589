import { API_PATH } from '@gw/protocol'

/** Requests that were answered with one status. */
export interface RequestCount {
  readonly method: string
  /** Group of routes below `/api/v1`, `other` outside of it. */
  readonly group: string
  readonly status: number
  count: number
}

const GROUPS: ReadonlySet<string> = new Set([
  'last',
  'next',
  'send',
  'state',
  'lookup',
  'stage',
  'controls',
  'field',
  'stream',
  'auth',
])
const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
])

/** Counts answers by what was asked: of bounded number, whatever paths are tried. */
export class RequestCounts {
  readonly #counts = new Map<string, RequestCount>()
  /** The two that gateways live on, at hand. */
  readonly lasts: RequestCount = this.counter('GET', 'last', 200)
  readonly sends: RequestCount = this.counter('POST', 'send', 200)

  count(method: string, path: string, status: number): void {
    this.counter(METHODS.has(method) ? method : 'other', groupOf(path), status).count++
  }

  /** Where answers of one kind are counted. */
  counter(method: string, group: string, status: number): RequestCount {
    const id = `${method} ${group} ${status}`
    let counter = this.#counts.get(id)
    if (counter === undefined) {
      counter = { method, group, status, count: 0 }
      this.#counts.set(id, counter)
    }
    return counter
  }

  all(): Iterable<RequestCount> {
    return this.#counts.values()
  }
}

function groupOf(path: string): string {
  if (!path.startsWith(API_PATH)) return 'other'
  const start = API_PATH.length + 1
  const end = path.indexOf('/', start)
  const group = end === -1 ? path.slice(start) : path.slice(start, end)
  return GROUPS.has(group) ? group : 'other'
}
