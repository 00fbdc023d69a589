import { GraphError } from './errors.js'

/**
 * Checks a number of things that an operator or a run was given.
 * @throws GraphError `INVALID_OPTION` unless it is a whole number of `least` or more.
 */
export function checkCount(node: string, option: string, count: number, least: number): void {
  if (Number.isSafeInteger(count) && count >= least) return
  const bound = least === Number.NEGATIVE_INFINITY ? '' : ` of ${least} or more`
  throw new GraphError(
    'INVALID_OPTION',
    `${option} of "${node}" is a whole number${bound}, not ${count}`,
    { node },
  )
}

/** The longest wait that a timeout of the platform can keep. */
export const LONGEST_TIMEOUT_MS: number = 2 ** 31 - 1

/**
 * Checks milliseconds of real time: what lasts longer, or no time at all, a timeout would take for "at once".
 * @throws GraphError `INVALID_OPTION` unless they are from `least` to {@link LONGEST_TIMEOUT_MS}.
 */
export function checkTimeoutMs(node: string, option: string, ms: number, least: number): void {
  if (ms >= least && ms <= LONGEST_TIMEOUT_MS) return
  throw new GraphError(
    'INVALID_OPTION',
    `${option} of "${node}" is ${least} to ${LONGEST_TIMEOUT_MS} milliseconds, not ${ms}`,
    { node },
  )
}
