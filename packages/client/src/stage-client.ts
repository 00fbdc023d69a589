import { pathOf } from '@gw/protocol'
import type { CallOptions } from './deadline.js'
import type { Rest } from './rest.js'

/** The calls on the staging of one channel. */
export class UntypedStageClient {
  readonly #path: string
  readonly #rest: Rest
  readonly #checked: (records: readonly unknown[]) => readonly unknown[]

  constructor(
    name: string,
    rest: Rest,
    /** Checks records that came. */
    checked: (records: readonly unknown[]) => readonly unknown[],
  ) {
    this.#path = pathOf('stage', name)
    this.#rest = rest
    this.#checked = checked
  }

  add(body?: unknown, ids?: readonly string[], options?: CallOptions): Promise<unknown> {
    return this.#call('POST', ids, options, body)
  }

  remove(recordId?: string, ids?: readonly string[], options?: CallOptions): Promise<unknown> {
    return this.#call('DELETE', ids, options, recordId === undefined ? undefined : { id: recordId })
  }

  release(ids?: readonly string[], options?: CallOptions): Promise<unknown> {
    return this.#call('PATCH', ids, options)
  }

  async list(options?: CallOptions): Promise<unknown> {
    return (await this.#rest.get(this.#path, options)).body
  }

  contents(id?: string, options?: CallOptions): Promise<unknown> {
    return this.#call('PUT', id === undefined ? undefined : [id], options)
  }

  async #call(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    ids: readonly string[] | undefined,
    options: CallOptions | undefined,
    body?: unknown,
  ): Promise<unknown> {
    const query = { id: ids?.join(',') }
    const idempotent = method === 'PUT' // it reads, here
    const call = { method, path: this.#path, query, body, idempotent, ...options }
    const stagings = Object.entries((await this.#rest.call(call)).body as object)
    return Object.fromEntries(stagings.map(([id, records]) => [id, this.#checked(records)]))
  }
}
