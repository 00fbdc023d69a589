import type { Edge } from '../graph.js'
import { node, passive } from '../node.js'
import { checkSpan, type Span, Ticks } from '../span.js'
import { delay } from './delay.js'

/**
 * Ticks `x` minus what it was `lag` ago, on ticks of `x`, once there is such a value: by ticks, the value `lag` ticks
 * ago; by duration, the last one at or before that time.
 * @throws GraphError `INVALID_OPTION` as `delay` does.
 */
export function diff(x: Edge<number>, lag: Span): Edge<number> {
  checkSpan('diff', 'the lag', lag, lag instanceof Ticks ? 1 : 0)
  return node('diff', { x, earlier: passive(delay(x, lag)) }, ({ x, earlier }) => () => {
    return earlier.valid ? x.value - earlier.value : undefined
  })
}
