import { pathOf } from '@gw/protocol'
import type { CallOptions } from './deadline.js'
import type { Rest } from './rest.js'

/** The calls on the staging of one channel. */
export interface UntypedStageClient {
  add(body?: unknown, ids?: readonly string[], options?: CallOptions): Promise<unknown>
  remove(recordId?: string, ids?: readonly string[], options?: CallOptions): Promise<unknown>
  release(ids?: readonly string[], options?: CallOptions): Promise<unknown>
  list(options?: CallOptions): Promise<unknown>
  contents(id?: string, options?: CallOptions): Promise<unknown>
}

/** Makes the calls on the staging of a channel; records that come are `checked`. */
export function stageClient(
  name: string,
  rest: Rest,
  checked: (records: readonly unknown[]) => readonly unknown[],
): UntypedStageClient {
  const path = pathOf('stage', name)

  async function call(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    ids: readonly string[] | undefined,
    options: CallOptions | undefined,
    body?: unknown,
  ): Promise<unknown> {
    const query = { id: ids?.join(',') }
    const idempotent = method === 'PUT' // it reads, here
    const answer = await rest.call({ method, path, query, body, idempotent, ...options })
    const stagings = Object.entries(answer.body as object)
    return Object.fromEntries(stagings.map(([id, records]) => [id, checked(records)]))
  }

  return {
    add: (body, ids, options) => call('POST', ids, options, body),
    remove: (id, ids, options) => call('DELETE', ids, options, id === undefined ? id : { id }),
    release: (ids, options) => call('PATCH', ids, options),
    list: async (options) => (await rest.get(path, options)).body,
    contents: (id, options) => call('PUT', id === undefined ? id : [id], options),
  }
}
