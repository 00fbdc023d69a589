import { defineModule, type Module } from '@gw/channels'
import { node, unroll } from '@gw/core'
import {
  Alert,
  channels,
  DEFAULT_THRESHOLD,
  type DemoChannels,
  MIN_DEPARTURES,
  RECENT,
} from '@gw-apps/demo-contract'

/**
 * Raises an alert when an airport's mean delay reaches its threshold and clears it below 80 % of it. An alert that an
 * operator's stop begins or ceases to acknowledge ticks again.
 */
export const alerts: Module<DemoChannels> = defineModule(channels, 'alerts', (c) => {
  const boards = c.getChannel('boards')
  const thresholds = c.getChannel('thresholds')
  const groundStops = c.getChannel('groundStops')
  const changes = node(
    'changes',
    { boards, thresholds, groundStops },
    ({ boards, thresholds, groundStops }, context) => {
      const minutesOf = new Map<string, number>()
      let minutesForAll = DEFAULT_THRESHOLD
      const stopped = new Set<string>()
      const raised = new Set<string>()

      const thresholdOf = (airport: string): number => minutesOf.get(airport) ?? minutesForAll
      const alert = (airport: string, status: Alert['status']): Alert => {
        const { sum, count } = recentOf(boards.value.get(airport))
        return Alert.make(context, {
          airport,
          status,
          meanDelay: Math.floor(sum / count),
          threshold: thresholdOf(airport),
          acknowledged: stopped.has(airport),
        })
      }
      const look = (airport: string): Alert | undefined => {
        const board = boards.value.get(airport)
        if (board === undefined || board.departures < MIN_DEPARTURES) return undefined
        // In whole minutes, multiplied out: no division, so nothing is rounded at the threshold.
        const { sum, count } = recentOf(board)
        const threshold = thresholdOf(airport)
        if (raised.has(airport)) {
          if (sum * 5 >= threshold * count * 4) return undefined
          raised.delete(airport)
          return alert(airport, 'cleared')
        }
        if (sum < threshold * count) return undefined
        raised.add(airport)
        return alert(airport, 'raised')
      }

      return () => {
        let list: Alert[] | undefined
        const add = (change: Alert | undefined): void => {
          if (change === undefined) return
          list ??= []
          list.push(change)
        }
        if (groundStops.ticked) {
          const { airport, active } = groundStops.value
          const changed = active ? !stopped.has(airport) : stopped.has(airport)
          if (active) stopped.add(airport)
          else stopped.delete(airport)
          if (changed && raised.has(airport)) add(alert(airport, 'raised'))
        }
        if (thresholds.ticked) {
          const { airport, minutes } = thresholds.value
          if (airport === '*') minutesForAll = minutes
          else minutesOf.set(airport, minutes)
          if (boards.valid) {
            for (const key of airport === '*' ? boards.value.keys() : [airport]) add(look(key))
          }
        }
        if (boards.ticked) for (const airport of boards.value.ticked) add(look(airport))
        return list
      }
    },
  )
  c.setChannel('alerts', unroll(changes))
})

/** Number and sum of an airport's last delays, in whole minutes, of which the board shows the mean. */
function recentOf(board: { readonly departures: number; readonly meanDelay: number } | undefined): {
  readonly sum: number
  readonly count: number
} {
  if (board === undefined) return { sum: 0, count: 1 }
  const count = Math.min(board.departures, RECENT)
  return { count, sum: Math.round(board.meanDelay * count) }
}
