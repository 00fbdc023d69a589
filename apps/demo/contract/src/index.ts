export { Airport, Alert, Departure, GroundStop, Host, Network, Threshold } from './structs.js'
export { channels } from './channels.js'
