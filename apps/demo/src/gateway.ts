import { Gateway, type Module } from '@gw/channels'
import type { Clock } from '@gw/core'
import { channels, type DemoChannels } from '@gw-apps/demo-contract'
import { readAirports } from './data/airports.js'
import type { FlightsFile } from './data/flights.js'
import { alerts } from './modules/alerts.js'
import { boards } from './modules/boards.js'
import { type FlightsOptions, flights } from './modules/flights.js'
import { groundStops } from './modules/ground-stops.js'
import { host } from './modules/host.js'
import { network } from './modules/network.js'
import { thresholds } from './modules/thresholds.js'

/** Options of {@link demoGateway}. */
export interface DemoOptions extends FlightsOptions {
  /** Transports and other modules beside those of flight operations. */
  readonly modules?: readonly Module<DemoChannels>[]
  readonly clock?: Clock
}

/** The flight-operations gateway: the same modules for the demo, which replays, and for the backtest, which simulates. */
export function demoGateway(file: FlightsFile, options: DemoOptions = {}): Gateway<DemoChannels> {
  const { modules = [], clock } = options
  return new Gateway({
    channels,
    modules: [
      flights(file, options),
      boards(readAirports()),
      network,
      thresholds,
      alerts,
      groundStops,
      host(),
      ...modules,
    ],
    ...(clock === undefined ? {} : { clock }),
  })
}
