import { defineModule, type Module } from '@gw/channels'
import {
  type Duration,
  type Edge,
  filter,
  map,
  ms,
  type NodeContext,
  node,
  timer,
  unroll,
} from '@gw/core'
import type { z } from 'zod'
import { channels, type ExampleChannels, ExampleData } from './contract.js'

type Data = z.output<typeof ExampleData>

/** One round: the record of most channels, and those of the baskets on the first round of a burst. */
interface Round {
  readonly e: Data
  readonly basket: readonly [Data, Data, Data] | undefined
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'

/** Ticks the example's records: `burst` of them, one after another, every `interval`. */
export function exampleModule(interval: Duration = ms(1_000), burst = 1): Module<ExampleChannels> {
  return defineModule(channels, 'example', (c) => {
    const rounds = unroll(bursts(timer(c.graph, interval), burst))
    const e = map(rounds, (round) => round.e)
    c.setChannel('example', e)
    c.setChannel('example_with_state', e)
    c.setChannel('example_with_state_multiple', e)
    c.setChannel('example_with_stage', e)
    c.setChannel(
      'example_list',
      map(e, (record) => [record]),
    )
    const baskets = map(
      filter(rounds, (round) => round.basket !== undefined),
      (round) => round.basket as NonNullable<Round['basket']>,
    )
    for (const [index, key] of (['A', 'B', 'C'] as const).entries()) {
      const record = map(baskets, (records) => records[index] as Data)
      c.setChannel('basket', record, key)
      c.setChannel('str_basket', record, key.toLowerCase() as 'a' | 'b' | 'c')
    }
  })
}

function bursts(trigger: Edge<unknown>, size: number): Edge<readonly Round[]> {
  return node('rounds', { trigger }, (_, context) => {
    let n = 0
    return () =>
      Array.from({ length: size }, (_, index) => {
        n++
        const e = record(context, n, 3)
        const basket =
          index === 0
            ? ([record(context, n, 1), record(context, n, 2), record(context, n, 3)] as const)
            : undefined
        return { e, basket }
      })
  })
}

function record(context: NodeContext, n: number, repeats: number): Data {
  return ExampleData.make(context, {
    x: n,
    y: String(n).repeat(repeats),
    z: LETTERS.charAt(Math.floor(Math.random() * LETTERS.length)),
    data: Array.from({ length: 10 }, Math.random),
    mapping: { [n]: n },
  })
}
