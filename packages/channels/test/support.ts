import { type Edge, graphOutput, node, type Tick, timestampOf } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { type Contract, Gateway, type Module } from '../src/index.js'

// biome-ignore lint/suspicious/noExplicitAny: tests of run-time checks go around the compiler
export type Any = any

/** The start of the simulations of these tests. */
export const T0 = timestampOf('2020-01-01T00:00:00Z')

/** A module of a name and a wiring, without types: what the compiler would refuse can be tried. */
export function loose(
  name: string,
  connect: (c: Any) => void,
  options: Partial<Module<never>> = {},
): Module<never> & Module {
  return { ...options, name, connect } as Module<never> & Module
}

/** Records what ticks on channels, or on `channel/key`, as outputs of the graph. */
function recorder(...names: readonly string[]): Module<never> & Module {
  return loose(
    'recorder',
    (c) => {
      for (const name of names) {
        const [channel, key] = name.split('/')
        graphOutput(name, key === undefined ? c.getChannel(channel) : c.getChannel(channel, key))
      }
    },
    { requires: [] },
  )
}

/** What ticks in a simulation, by channel. */
export async function simulated<C extends AnyChannels>(
  channels: Contract<C>,
  modules: readonly Module<never>[],
  names: readonly string[],
): Promise<Record<string, readonly Tick<unknown>[]>> {
  const gateway = new Gateway({
    channels,
    modules: [...modules, recorder(...names)] as unknown as Module<C>[],
  })
  const { outputs } = await gateway.simulate({ start: T0 })
  return Object.fromEntries(names.map((name) => [name, outputs.get(name) ?? []]))
}

/** Only the values of ticks. */
export function values(ticks: readonly Tick<unknown>[] | undefined): readonly unknown[] {
  return (ticks ?? []).map(([, value]) => value)
}

/** Ticks, each cycle, what ticks together in it. */
export function inCycles(edges: { readonly [name: string]: Edge<unknown> }): Edge<object> {
  return node('inCycles', { edges }, ({ edges }) => () => {
    const ticked: Record<string, unknown> = {}
    for (const [name, edge] of Object.entries(edges)) if (edge.ticked) ticked[name] = edge.value
    return ticked
  })
}
