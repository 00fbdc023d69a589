import { GraphError } from '../errors.js'
import { type Edge, outputOf } from '../graph.js'
import type { AlarmHandle } from '../node-context.js'
import type { Series } from '../series.js'
import { checkSpan } from '../span.js'
import type { Duration } from '../time.js'

/** Options of {@link sync}. */
export interface SyncOptions {
  /** Whether to tick what there is when the threshold has passed. @defaultValue true */
  readonly outputIncomplete?: boolean
  /** Starts a round, if none is under way. @defaultValue the first tick of an element does */
  readonly trigger?: Edge<unknown>
}

/** A basket by place or by key, of the same shape as `B`. */
export type SameShape<B> = { readonly [K in keyof B]: B[K] }

type AnyBasket = readonly Edge<unknown>[] | { readonly [key: string]: Edge<unknown> }

/**
 * Ticks the elements of a basket together: in the cycle in which the last one of a round has ticked, else, if
 * incomplete ones are wanted, when `threshold` has passed since the round began. Each element that ticked in the round
 * ticks its present value.
 * @throws GraphError `INVALID_OPTION` when the threshold is negative.
 */
export function sync<B extends AnyBasket>(
  basket: B,
  threshold: Duration,
  options: SyncOptions = {},
): SameShape<B> {
  const { outputIncomplete = true, trigger } = options
  checkSpan('sync', 'the threshold', threshold, 0)
  const edges = Object.values<Edge<unknown>>(basket as { [key: string]: Edge<unknown> })
  const inputs = trigger === undefined ? edges : [...edges, trigger]
  const spec = graphOf('sync', inputs).add({
    name: 'sync',
    inputs,
    outputs: edges.length,
    setup: (series, outputs, context) => {
      const elements = series.slice(0, edges.length)
      const start = trigger === undefined ? undefined : series[edges.length]
      const emitters = outputs.map((output, i) => context.output(output, String(i)))
      const alarm = context.alarm<true>()
      let handle: AlarmHandle | undefined
      const round = new Set<number>()
      return () => {
        // What ticks together with the alarm still belongs to the round, unless the next one has to wait for the trigger.
        if (alarm.ticked) handle = undefined
        if (handle === undefined && (start === undefined || start.ticked)) {
          handle = alarm.schedule(threshold, true)
        }
        if (handle !== undefined) {
          for (let i = 0; i < elements.length; i++) {
            if ((elements[i] as Series).ticked) round.add(i)
          }
        }
        const isComplete = round.size === elements.length
        if (!alarm.ticked && !isComplete) return
        if (isComplete || outputIncomplete) {
          for (const i of round) emitters[i]?.emit((elements[i] as Series).value)
        }
        if (handle !== undefined) alarm.cancel(handle)
        handle = undefined
        round.clear()
      }
    },
  })
  return shapedLike(basket, (i) => outputOf(spec, i))
}

/** Ticks, on each tick of `trigger`, the present value of each element of the basket that has one. */
export function sampleBasket<B extends AnyBasket>(trigger: Edge<unknown>, basket: B): SameShape<B> {
  const edges = Object.values<Edge<unknown>>(basket as { [key: string]: Edge<unknown> })
  const spec = graphOf('sampleBasket', [trigger]).add({
    name: 'sampleBasket',
    inputs: [trigger, ...edges],
    passive: [false, ...edges.map(() => true)],
    outputs: edges.length,
    setup: ([, ...elements], outputs, context) => {
      const emitters = outputs.map((output, i) => context.output(output, String(i)))
      return () => {
        for (let i = 0; i < elements.length; i++) {
          const element = elements[i] as Series
          if (element.valid) emitters[i]?.emit(element.value)
        }
      }
    },
  })
  return shapedLike(basket, (i) => outputOf(spec, i))
}

function graphOf(name: string, edges: readonly Edge<unknown>[]): Edge<unknown>['graph'] {
  const [first] = edges
  if (first === undefined) {
    throw new GraphError('INVALID_OPTION', `the basket of "${name}" is empty`, { node: name })
  }
  return first.graph
}

function shapedLike<B extends AnyBasket>(
  basket: B,
  edge: (i: number) => Edge<unknown>,
): SameShape<B> {
  const keys = Object.keys(basket)
  const shaped = Array.isArray(basket)
    ? keys.map((_, i) => edge(i))
    : Object.fromEntries(keys.map((key, i) => [key, edge(i)]))
  return shaped as unknown as SameShape<B>
}
