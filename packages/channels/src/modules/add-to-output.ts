import { type Edge, type GraphOutputOptions, graphOutput } from '@gw/core'
import type { Module } from '../module.js'
import { checkModuleOptions } from './check-options.js'
import { entriesOf } from './entries.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** Options of {@link addToOutput}. */
export interface AddToOutputOptions extends GraphOutputOptions {
  readonly select?: ChannelSelection
}

/**
 * Puts what ticks into the outputs of the run, as `channel` or `channel[key]`; of a dynamic basket the entries of each cycle.
 * Everything is kept in memory unless `keep` says how much.
 */
export function addToOutput(options: AddToOutputOptions = {}): Module {
  checkModuleOptions('addToOutput', options, {})
  const { select, ...output } = options
  return {
    name: 'add-to-output',
    requires: [],
    connect(c) {
      for (const name of selectChannels(c, select)) {
        const { kind, dynamic } = c.definitionOf(name)
        if (kind === 'basket' && dynamic !== true) {
          const basket = c.getChannel(name as never) as { readonly [key: string]: Edge<unknown> }
          for (const [key, edge] of Object.entries(basket))
            graphOutput(`${name}[${key}]`, edge, output)
        } else {
          const edge = dynamic === true ? entriesOf(c, name) : c.getChannel(name as never)
          graphOutput(name, edge as Edge<unknown>, output)
        }
      }
    },
  }
}
