import { channel, defineChannels, dynamicBasket } from '@gw/channels'
import { Airport, Alert, Departure, GroundStop, Host, Network, Threshold } from './structs.js'

/** The flight-operations gateway: what it publishes and what it takes. */
export const channels = defineChannels({
  flights: channel(Departure, {
    state: { by: ['origin', 'destination'] },
    doc: 'Each departure, at its time.',
  }),
  boards: dynamicBasket(Airport, { doc: 'Per airport: departures so far and the recent delays.' }),
  network: channel(Network, { doc: 'All airports together.' }),
  thresholds: channel(Threshold, {
    state: { by: 'airport' },
    send: true,
    doc: 'From which mean delay on an airport, or with * each airport, is in alert. 45 minutes before any was sent.',
  }),
  alerts: channel(Alert, {
    state: { by: 'airport' },
    doc: 'Raised when the mean delay reaches the threshold, cleared below 80 % of it.',
  }),
  groundStops: channel(GroundStop, {
    stage: true,
    send: true,
    doc: "An operator's stop of an airport; it acknowledges the airport's alerts.",
  }),
  host: channel(Host, { doc: 'How the process does, once a second.' }),
})

/** The channels of the gateway, for modules that are written against them. */
export type DemoChannels = (typeof channels)['channels']
