import { defineModule, type Module } from '@gw/channels'
import { sink } from '@gw/core'
import { channels, DELAYED_FROM, type DemoChannels } from '@gw-apps/demo-contract'

/** What a backtest counts. */
export interface Tally {
  flights: number
  delayed: number
  sumDelay: number
  readonly airports: Map<string, { readonly departures: number; readonly delayed: number }>
  readonly alerts: { raised: number; cleared: number }
}

/** Counts what the other modules publish, into `tally`. */
export function tally(result: Tally): Module<DemoChannels> {
  return defineModule(channels, 'tally', (c) => {
    const flights = c.getChannel('flights')
    const boards = c.getChannel('boards')
    const alerts = c.getChannel('alerts')
    const network = c.getChannel('network')
    sink('flights', { flights }, ({ flights }) => () => {
      const { delay } = flights.value
      result.flights++
      result.sumDelay += delay
      if (delay >= DELAYED_FROM) result.delayed++
    })
    sink('boards', { boards, network }, ({ boards }, context) => {
      context.onStop(() => {
        if (!boards.valid) return
        for (const key of boards.value.keys()) {
          const board = boards.value.get(key)
          if (board !== undefined) result.airports.set(key, board)
        }
      })
      return () => undefined
    })
    sink('alerts', { alerts }, ({ alerts }) => () => {
      if (alerts.value.status === 'raised') result.alerts.raised++
      else result.alerts.cleared++
    })
  })
}
