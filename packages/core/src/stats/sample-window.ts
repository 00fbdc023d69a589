import { type Edge, outputOf } from '../graph.js'
import { flatten, type InputDeclarations, viewOf } from '../inputs.js'
import { memoize } from '../memoize.js'
import { passive } from '../node.js'
import type { Input, Series } from '../series.js'
import type { Span } from '../span.js'
import { Ticks } from '../span.js'
import { SampleRing } from './sample-ring.js'

/** What the samples of a window are made of. */
export interface SampleOptions {
  readonly interval?: Span
  readonly sampler?: Edge<unknown>
  readonly reset?: Edge<unknown>
  readonly weights?: Edge<number>
}

interface SampleInputs {
  readonly x: Input<number>
  readonly y?: Input<number>
  readonly weights?: Input<number>
  readonly sampler?: Input<unknown>
  readonly reset?: Input<unknown>
}

/**
 * The samples of `x`, and of `y` with it if there is one, in a window; ticks when one comes. Statistics that ask for the
 * same window share it, so that samples are taken in and let go once, however many there are. The ring is the value of the
 * edge before the first tick, too: nodes are set up after those that they read, and a trigger may come before a sample.
 */
export function sampleWindow(
  x: Edge<number>,
  y: Edge<number> | undefined,
  { interval, sampler, reset, weights }: SampleOptions,
): Edge<SampleRing> {
  const count = interval instanceof Ticks ? interval.count : Number.POSITIVE_INFINITY
  const age = typeof interval === 'number' ? interval : Number.POSITIVE_INFINITY
  return sharedWindow(x, y, weights, sampler, reset, count, age)
}

const sharedWindow = memoize(
  (
    x: Edge<number>,
    y: Edge<number> | undefined,
    weights: Edge<number> | undefined,
    sampler: Edge<unknown> | undefined,
    reset: Edge<unknown> | undefined,
    count: number,
    age: number,
  ): Edge<SampleRing> => {
    const inputs: InputDeclarations = {
      x: sampler === undefined ? x : passive(x),
      ...(y !== undefined && { y: sampler === undefined ? y : passive(y) }),
      ...(weights !== undefined && { weights: passive(weights) }),
      ...(sampler !== undefined && { sampler }),
      ...(reset !== undefined && { reset }),
    }
    const { graph, edges, shape } = flatten('stats.window', inputs)
    return outputOf(
      graph.add({
        name: 'stats.window',
        inputs: edges,
        ...(shape.passive !== undefined && { passive: shape.passive }),
        setup: (series, [output]) => {
          const samples = new SampleRing({ count, age }, weights !== undefined, y !== undefined)
          ;(output as Series).value = samples
          return sampling(viewOf(shape, series) as SampleInputs, samples)
        },
      }),
    )
  },
)

function sampling(inputs: SampleInputs, samples: SampleRing): () => SampleRing | undefined {
  const { x, y = x, weights, reset } = inputs
  const sampler = inputs.sampler ?? x
  const isPlain = y === x && weights === undefined
  return () => {
    if (reset?.ticked === true) samples.clear()
    if (!sampler.ticked) return undefined
    const value = x === sampler || x.ticked ? x.value : Number.NaN
    if (isPlain) {
      samples.push(value, sampler.time)
    } else {
      const other = y === x ? value : y.ticked ? y.value : Number.NaN
      const weight = weights === undefined ? 1 : weights.valid ? weights.value : Number.NaN
      samples.pushAll(value, weight, other, sampler.time)
    }
    return samples
  }
}
