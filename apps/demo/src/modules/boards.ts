import { defineModule, type Module } from '@gw/channels'
import { basketNode } from '@gw/core'
import { Airport, channels, DELAYED_FROM, type DemoChannels, RECENT } from '@gw-apps/demo-contract'
import type { Airport as AirportData } from '../data/airports.js'
import { RecentDelays } from '../stats/recent-delays.js'

const UNKNOWN: AirportData = {
  name: '',
  city: '',
  state: '',
  latitude: Number.NaN,
  longitude: Number.NaN,
}

/** Keeps a board for each airport that something has departed from. */
export function boards(airports: ReadonlyMap<string, AirportData>): Module<DemoChannels> {
  return defineModule(channels, 'boards', (c) => {
    const flights = c.getChannel('flights')
    c.setChannel(
      'boards',
      basketNode<string, Airport>()('boards', { flights }, ({ flights }, basket, context) => {
        const known = new Map<string, Tally>()
        return () => {
          const { origin, delay } = flights.value
          let tally = known.get(origin)
          if (tally === undefined) {
            tally = new Tally(airports.get(origin))
            known.set(origin, tally)
          }
          tally.departures++
          if (delay >= DELAYED_FROM) tally.delayed++
          tally.recent.add(delay)
          const { airport } = tally
          basket.emit(
            origin,
            Airport.make(context, {
              airport: origin,
              name: airport.name,
              city: airport.city,
              state: airport.state,
              latitude: tally.latitude,
              longitude: tally.longitude,
              departures: tally.departures,
              delayed: tally.delayed,
              meanDelay: tally.recent.mean,
              p95Delay: tally.recent.quantile(0.95),
            }),
          )
        }
      }),
    )
  })
}

/** What is counted of one airport. */
class Tally {
  departures = 0
  delayed = 0
  readonly recent: RecentDelays = new RecentDelays(RECENT)
  readonly airport: AirportData
  readonly latitude: number | null
  readonly longitude: number | null

  constructor(airport: AirportData = UNKNOWN) {
    this.airport = airport
    this.latitude = Number.isNaN(airport.latitude) ? null : airport.latitude
    this.longitude = Number.isNaN(airport.longitude) ? null : airport.longitude
  }
}
