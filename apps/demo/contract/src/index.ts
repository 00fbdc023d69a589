export { channels } from './channels.js'
export { Airport, Alert, Departure, GroundStop, Host, Network, Threshold } from './structs.js'
