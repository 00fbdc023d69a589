export { channels, type DemoChannels } from './channels.js'
export { DEFAULT_THRESHOLD, DELAYED_FROM, MIN_DEPARTURES, RECENT } from './rules.js'
export { Airport, Alert, Departure, GroundStop, Host, Network, Threshold } from './structs.js'
