import { isoOf, sink } from '@gw/core'
import type { Module } from '../module.js'
import { checkModuleOptions, FUNCTION } from './check-options.js'
import { type Entry, entriesOf } from './entries.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** Options of {@link print}. */
export interface PrintOptions {
  readonly select?: ChannelSelection
  /** @defaultValue a line on the console */
  readonly write?: (line: string) => void
}

/** Prints a line for each tick: engine time, channel, value; of a basket, the keys that ticked with their values. */
export function print(options: PrintOptions = {}): Module {
  checkModuleOptions('print', options, { write: FUNCTION })
  const { select, write = (line) => console.log(line) } = options
  return {
    name: 'print',
    requires: [],
    connect(c) {
      for (const name of selectChannels(c, select)) {
        const isBasket = c.definitionOf(name).kind === 'basket'
        sink(`print ${name}`, { entries: entriesOf(c, name) }, ({ entries }, context) => () => {
          const text = JSON.stringify(isBasket ? byKey(entries.value) : entries.value[0]?.value)
          write(`${isoOf(context.now)} ${name} ${text}`)
        })
      }
    },
  }
}

function byKey(entries: readonly Entry[]): { readonly [key: string]: unknown } {
  return Object.fromEntries(entries.map(({ key, value, removed }) => [key, removed ? null : value]))
}
