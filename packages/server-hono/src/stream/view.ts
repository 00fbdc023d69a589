import { type ChannelInfo, type ChannelTick, planQuery } from '@gw/channels'
import { type Filter, type Identity, isAllowed } from '@gw/protocol'

/** A part of a channel's ticks: the records that pass a filter, some of their fields, the keys that may be read. */
export interface View {
  /** Equal for equal views. */
  readonly id: string
  /** JSON text of the array of what is seen of a tick; `undefined` when that is nothing. */
  json(tick: ChannelTick): string | undefined
  /** Whether the tick's key may be seen. */
  sees(tick: ChannelTick): boolean
}

/**
 * The view that a subscription asks for; `undefined` when that is everything.
 * @throws ChannelsError `INVALID_QUERY` for a path that no record has.
 */
export function viewOf(
  info: ChannelInfo,
  key: string | undefined,
  identity: Identity,
  where: Filter | undefined,
  select: readonly string[] | undefined,
): View | undefined {
  // A scope may name some keys only: of a whole basket the others stay unseen.
  const scopes = info.kind === 'basket' && key === undefined ? identity.scopes : undefined
  if (where === undefined && select === undefined && scopes === undefined) return undefined
  const query = {
    ...(where === undefined ? {} : { where }),
    ...(select === undefined ? {} : { select }),
  }
  const { matches, project } = planQuery(query, info.recordSchema)
  const sees = (tick: ChannelTick): boolean =>
    scopes === undefined || isAllowed(identity, 'read', info.name, tick.key)
  return {
    id: JSON.stringify([where, select, scopes]),
    sees,
    json: (tick) => {
      if (!sees(tick)) return undefined
      if (matches === undefined && project === undefined) return tick.json
      const records = tick.kind === 'list' ? (tick.value as readonly unknown[]) : [tick.value]
      const matching = matches === undefined ? records : records.filter(matches)
      if (matching.length === 0 && records.length > 0) return undefined
      return JSON.stringify(project === undefined ? matching : matching.map(project))
    },
  }
}
