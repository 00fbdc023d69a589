import type { Edge } from '../graph.js'
import { node } from '../node.js'

/** Options of {@link gate}. */
export interface GateOptions {
  /** Release only in cycles in which `release` itself ticks. @defaultValue false */
  readonly releaseOnTick?: boolean
}

/**
 * Holds the ticks of `x` until `release` is true, then ticks all that is held as one list; while it stays true, each
 * tick of `x` comes out at once, as a list of one.
 */
export function gate<T>(
  x: Edge<T>,
  release: Edge<boolean>,
  options: GateOptions = {},
): Edge<readonly T[]> {
  const { releaseOnTick = false } = options
  return node('gate', { x, release }, ({ x, release }) => {
    let held: T[] = []
    return () => {
      if (x.ticked) held.push(x.value)
      if (held.length === 0 || !release.valid || !release.value) return undefined
      if (releaseOnTick && !release.ticked) return undefined
      const released = held
      held = []
      return released
    }
  })
}
