import { type ChannelInfo, type ChannelTick, planQuery } from '@gw/channels'
import type { Filter } from '@gw/protocol'
import type { Rows } from '../rows/rows.js'

/** A part of a channel's ticks: the rows that may be seen and pass a filter, some of their fields. */
export interface View {
  /** Equal for equal views. */
  readonly id: string
  /** JSON text of the array of what is seen of a tick; `undefined` when that is nothing. */
  json(tick: ChannelTick): string | undefined
  /** Whether anything of a tick may be seen. */
  sees(tick: ChannelTick): boolean
  /** What ticked last of what may be seen; `undefined` where that is what ticked last. */
  lastTicks(): readonly ChannelTick[] | undefined
}

/**
 * The view that a subscription asks for, of the `rows` that it may see; `undefined` when that is everything.
 * @throws ChannelsError `INVALID_QUERY` for a path that no record has.
 */
export function viewOf(
  info: ChannelInfo,
  key: string | undefined,
  rows: Rows | undefined,
  where: Filter | undefined,
  select: readonly string[] | undefined,
): View | undefined {
  if (where === undefined && select === undefined && rows === undefined) return undefined
  const query = {
    ...(where === undefined ? {} : { where }),
    ...(select === undefined ? {} : { select }),
  }
  const { matches, project } = planQuery(query, info.recordSchema)
  const isList = info.schema.def.type === 'array'
  const seen = (tick: ChannelTick): ChannelTick | undefined =>
    rows === undefined ? tick : rows.seen(tick)
  return {
    id: JSON.stringify([where, select, rows?.id]),
    sees: (tick) => seen(tick) !== undefined,
    lastTicks: () => rows?.lastTicks(info.name, key),
    json: (tick) => {
      const visible = seen(tick)
      if (visible === undefined) return undefined
      if (matches === undefined && project === undefined) return visible.json
      const { value } = visible
      const records = isList ? (value as readonly unknown[]) : [value]
      const matching = matches === undefined ? records : records.filter(matches)
      if (matching.length === 0 && records.length > 0) return undefined
      return JSON.stringify(project === undefined ? matching : matching.map(project))
    },
  }
}
