import { AuditRecord, type Channels, type Logger } from '@gw/channels'
import { node, push } from '@gw/core'
import type { AnyChannels, ErrorCode, Identity, SessionEvent } from '@gw/protocol'

/** What is told of; the id and the time come from the engine. */
type Entry = Omit<AuditRecord, 'id' | 'timestamp' | 'records'> & {
  readonly records?: readonly string[]
}

/** Tells the audit channels of the contract. */
export interface Audit {
  /** Tells what an identity has done. */
  done(
    identity: Identity,
    action: AuditRecord['action'],
    channel: string,
    key?: string,
    records?: readonly string[],
  ): void
  /** Tells that somebody has logged in or out with a browser. */
  session(event: SessionEvent): void
  /** Tells of a refusal, where it is one of who may do what. */
  refused(
    code: ErrorCode,
    identity: Identity | undefined,
    from: { readonly address: string; readonly path: string },
  ): void
}

const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'UNAUTHORIZED',
  'FORBIDDEN',
  'ORIGIN_REFUSED',
  'TOO_MANY_REQUESTS',
  'AUTH_UNAVAILABLE',
])
const MAX_PENDING = 10_000
/** Refusals a second that are told of those whom nobody knows. */
const MAX_STRANGERS = 50

/** Provides the audit channels of a contract; `undefined` when it has none. */
export function connectAudit(channels: Channels<AnyChannels>, log: Logger): Audit | undefined {
  const names = (channels.names as readonly string[]).filter(
    (name) => channels.definitionOf(name).schema === AuditRecord,
  )
  if (names.length === 0) return undefined
  const entries = push<Entry>(channels.graph, 'nonCollapsing', {
    name: 'audit',
    maxPending: MAX_PENDING,
  })
  const records = node(
    'audit',
    { entry: entries.edge },
    ({ entry }, context) =>
      () =>
        AuditRecord.make(context, entry.value as never),
  )
  for (const name of names) channels.setChannel(name as never, records as never)
  const tell = (entry: Entry): void => {
    try {
      entries.push(entry)
    } catch (error) {
      log.error({ err: error, entry }, 'what was done could not be told to the audit channel')
    }
  }
  let second = 0
  let strangers = 0
  /** Whoever is nobody here could otherwise fill the channel. */
  const isTooMuch = (): boolean => {
    const now = Math.floor(Date.now() / 1_000)
    strangers = now === second ? strangers + 1 : 1
    second = now
    return strangers > MAX_STRANGERS
  }
  return {
    done: (identity, action, channel, key, ids) =>
      tell({
        ...who(identity),
        action,
        channel,
        ...(key === undefined ? {} : { key }),
        ...(ids === undefined ? {} : { records: ids }),
      }),
    session: ({ action, identity }) => tell({ ...who(identity), action }),
    refused: (code, identity, { address, path }) => {
      if (!REFUSALS.has(code) || (identity === undefined && isTooMuch())) return
      tell({
        ...(identity === undefined ? {} : who(identity)),
        action: 'refused',
        code,
        address,
        path,
      })
    },
  }
}

function who({ name, credential }: Identity): Pick<Entry, 'identity' | 'credential'> {
  return { identity: name, ...(credential === undefined ? {} : { credential }) }
}
