import type { ClusterModule } from '@gw/kafka'
import type { Authenticator, AuthFilter } from '@gw/protocol'
import { vi } from 'vitest'

/** Lets everybody in, under the name that their key is. */
export const auth: Authenticator = {
  name: 'trusting',
  authenticate: (credentials) => ({
    ok: true,
    identity: { name: credentials.header('x-api-key') ?? 'everybody' },
  }),
}
/** Everybody sees and touches everything; who has a name its own orders. */
export const filter: AuthFilter = ({ name }, row) =>
  name === 'everybody' || (row as { readonly owner?: string }).owner === name

export const log = { info() {}, warn() {}, error() {} }

interface Settling {
  readonly module: Pick<ClusterModule<never>, 'ready' | 'members'>
}

/** Until all six partitions are at one of these, and all know of each other. */
export const settled = (members: readonly Settling[]): Promise<unknown> =>
  vi.waitUntil(
    () =>
      members
        .flatMap(({ module }) => module.ready)
        .sort()
        .join() === '0,1,2,3,4,5' &&
      members.every(({ module }) => module.members.length === members.length),
    { timeout: 30_000 },
  )
