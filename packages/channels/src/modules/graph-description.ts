import { type GatewayDescription, toDot } from '../description.js'
import type { Module } from '../module.js'
import { checkModuleOptions, FUNCTION } from './check-options.js'

/** Options of {@link graphDescription}. */
export interface GraphDescriptionOptions {
  /** @defaultValue the graph in the language of Graphviz, on the console */
  readonly write?: (description: GatewayDescription) => void
}

/** Shows, at the start, how the gateway is wired: who gets and sets what, and where loops are cut. */
export function graphDescription(options: GraphDescriptionOptions = {}): Module {
  checkModuleOptions('graphDescription', options, { write: FUNCTION })
  const { write = (description) => console.log(toDot(description)) } = options
  return {
    name: 'graph-description',
    requires: [],
    start: (gateway) => write(gateway.description),
  }
}
