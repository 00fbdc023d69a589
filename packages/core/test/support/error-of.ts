import type { GraphError } from '@gw/core'

/** The error that `work` throws. */
export function errorOf(work: () => unknown): GraphError {
  try {
    work()
  } catch (error) {
    return error as GraphError
  }
  throw new Error('it did not throw')
}
