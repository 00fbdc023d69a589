import { defineModule, type Module } from '@gw/channels'
import { hours, node } from '@gw/core'
import {
  channels,
  DELAYED_FROM,
  type DemoChannels,
  MIN_DEPARTURES,
  Network,
} from '@gw-apps/demo-contract'
import { DelayWindow } from '../stats/delay-window.js'
import { Highest } from '../stats/highest.js'

const WINDOW_HOURS = 6

/** Sums up the whole network after each departure. */
export const network: Module<DemoChannels> = defineModule(channels, 'network', (c) => {
  const flights = c.getChannel('flights')
  const boards = c.getChannel('boards')
  c.setChannel(
    'network',
    node('network', { flights, boards }, ({ flights, boards }, context) => {
      const window = new DelayWindow(hours(WINDOW_HOURS))
      const worst = new Highest()
      let departures = 0
      let delayed = 0
      return () => {
        if (boards.ticked) {
          const { value: view } = boards
          for (const airport of view.ticked) {
            const board = view.get(airport)
            if (board !== undefined && board.departures >= MIN_DEPARTURES) {
              worst.set(airport, board.meanDelay)
            }
          }
        }
        if (flights.ticked) {
          const { delay } = flights.value
          departures++
          if (delay >= DELAYED_FROM) delayed++
          window.add(context.now, delay)
        }
        return Network.make(context, {
          departures,
          delayed,
          meanDelay: window.mean,
          medianDelay: window.median,
          departuresPerHour: window.count / WINDOW_HOURS,
          worstAirport: worst.key,
          worstMeanDelay: worst.value,
        })
      }
    }),
  )
})
