import { type Refill, ScheduledEvent } from './event-queue.js'
import { type Edge, type Graph, outputOf } from './graph.js'
import { instanceOf } from './instance-node-context.js'
import type { NodeContext } from './node-context.js'
import type { Series } from './series.js'
import { checkSpan } from './span.js'
import type { Duration } from './time.js'

/**
 * Declares a source: a node without inputs, which its own alarms run.
 * `setup` gets the context to make alarms with and returns the step, as in `node`.
 */
export function source<T>(
  graph: Graph,
  name: string,
  setup: (context: NodeContext) => () => T | undefined,
): Edge<T> {
  return outputOf<T>(graph.add({ name, setup: (_inputs, _outputs, context) => setup(context) }))
}

/** Options of {@link timer}. */
export interface TimerOptions {
  /**
   * What a realtime run that has fallen behind does: `catchUp` ticks all that were missed, each with its own time;
   * `skip` goes on with the next one that is still to come. Neither drifts. @defaultValue 'catchUp'
   */
  readonly late?: 'catchUp' | 'skip'
}

/**
 * Ticks `value` at start + interval, start + 2 x interval and so on, up to the end; not at the start itself.
 * @throws GraphError `INVALID_OPTION` when the interval is not a positive whole number of microseconds.
 */
export function timer(graph: Graph, interval: Duration): Edge<true>
export function timer<T>(
  graph: Graph,
  interval: Duration,
  value: T,
  options?: TimerOptions,
): Edge<T>
export function timer(
  graph: Graph,
  interval: Duration,
  value: unknown = true,
  options: TimerOptions = {},
): Edge<unknown> {
  checkSpan('timer', 'the interval', interval, 1)
  return outputOf(
    graph.add({
      name: 'timer',
      setup: (_inputs, [output], context) => {
        const instance = instanceOf(context)
        const { engine } = instance
        const skip: Refill = {
          advance: (event) => {
            const late = engine.present - engine.now
            event.time = engine.now + interval * Math.max(1, Math.ceil(late / interval))
          },
        }
        const skips = options.late === 'skip' && engine.isRealtime
        const event = new ScheduledEvent(
          instance,
          output as Series,
          value,
          skips ? skip : undefined,
        )
        if (!skips) event.interval = interval
        instance.schedule(event, context.now + interval)
        return undefined
      },
    }),
  )
}

/**
 * Ticks `value` once, `delay` after the start.
 * @throws GraphError `INVALID_OPTION` when the delay is not a whole number of microseconds, 0 or more.
 */
export function constant<T>(graph: Graph, value: T, delay: Duration = 0): Edge<T> {
  checkSpan('constant', 'the delay', delay, 0)
  return outputOf(
    graph.add({
      name: 'constant',
      setup: (_inputs, [output], context) => {
        const instance = instanceOf(context)
        const event = new ScheduledEvent(instance, output as Series, value)
        instance.schedule(event, context.now + delay)
        return undefined
      },
    }),
  )
}

/** An edge that never ticks. */
export function empty<T>(graph: Graph): Edge<T> {
  return outputOf<T>(graph.add({ name: 'empty', setup: () => undefined }))
}
