import { isMessageId, MAX_MESSAGE_ID_LENGTH, type Position } from '@gw/protocol'
import { ChannelsError, type ChannelsErrorCode } from './errors.js'
import { isObject } from './filter.js'
import { shown } from './shown.js'

/** What the value of an option is, for those whom the compiler has not told. */
interface Rule {
  readonly holds: (value: unknown) => boolean
  readonly what: string
  /** What comes over the wire has a code of the wire. */
  readonly code: ChannelsErrorCode
}

const POSITION: Rule = {
  holds: isPosition,
  what: 'a position: { epoch: a text, offset: a whole number from 0 on }',
  code: 'BAD_REQUEST',
}
const FUNCTION: Rule = {
  holds: (value) => typeof value === 'function',
  what: 'a function',
  code: 'INVALID_OPTION',
}

type OptionName =
  | 'messageId'
  | 'expect'
  | 'atLeast'
  | 'origin'
  | 'origins'
  | 'check'
  | 'checkStaged'
  | 'matches'
  | 'timeoutMs'
  | 'signal'
  | 'maxBuffered'
  | 'mode'

const RULES: Readonly<Record<OptionName, Rule>> = {
  messageId: {
    holds: isMessageId,
    what: `a text of 1 to ${MAX_MESSAGE_ID_LENGTH} characters`,
    code: 'BAD_REQUEST',
  },
  expect: POSITION,
  atLeast: POSITION,
  origin: {
    holds: (value) => typeof value === 'string',
    what: 'a text',
    code: 'INVALID_OPTION',
  },
  origins: {
    holds: (value) =>
      Array.isArray(value) &&
      value.every((origin) => origin === undefined || typeof origin === 'string'),
    what: 'a list of texts, and of undefined where there is none',
    code: 'INVALID_OPTION',
  },
  check: FUNCTION,
  checkStaged: FUNCTION,
  matches: FUNCTION,
  timeoutMs: {
    holds: (value) => typeof value === 'number' && value >= 0,
    what: 'a number of milliseconds from 0 on',
    code: 'INVALID_OPTION',
  },
  signal: { holds: isSignal, what: 'an AbortSignal', code: 'INVALID_OPTION' },
  maxBuffered: {
    holds: (value) => typeof value === 'number' && value >= 1,
    what: '1 or more',
    code: 'INVALID_OPTION',
  },
  mode: {
    holds: (value) => ['nonCollapsing', 'lastValue', 'burst'].includes(value as string),
    what: 'nonCollapsing, lastValue or burst',
    code: 'INVALID_OPTION',
  },
}

/**
 * Checks the options of a call from outside; `undefined` is none of them.
 * @throws ChannelsError `INVALID_OPTION`, or `BAD_REQUEST` for what comes over the wire, with the call and the option named.
 */
export function checkCallOptions(
  call: string,
  options: unknown,
  names: readonly OptionName[],
  channel?: string,
): void {
  if (options === undefined) return
  const details = channel === undefined ? {} : { channel }
  if (!isObject(options)) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `the options of ${call} are an object, not ${shown(options)}`,
      details,
    )
  }
  for (const name of names) {
    const value = options[name]
    if (value === undefined) continue
    const { holds, what, code } = RULES[name]
    if (holds(value)) continue
    throw new ChannelsError(
      code,
      `the option ${name} of ${call} is ${what}, not ${shown(value)}`,
      details,
    )
  }
}

/** @throws ChannelsError `BAD_REQUEST` for what is no position. */
export function checkPosition(call: string, position: unknown, channel: string): void {
  if (POSITION.holds(position)) return
  throw new ChannelsError(
    POSITION.code,
    `${call} waits for ${POSITION.what}, not for ${shown(position)}`,
    { channel },
  )
}

/** @throws ChannelsError `INVALID_OPTION` for what is to be gone through and cannot be. */
export function checkIterable(what: string, value: unknown, channel: string): void {
  if (typeof value === 'object' && value !== null && Symbol.iterator in value) return
  throw new ChannelsError('INVALID_OPTION', `${what} are a list, not ${shown(value)}`, { channel })
}

/** @throws ChannelsError `INVALID_OPTION` for what is to be called and is no function. */
export function checkFunction(what: string, value: unknown, channel?: string): void {
  if (typeof value === 'function') return
  throw new ChannelsError(
    'INVALID_OPTION',
    `${what} is a function, not ${shown(value)}`,
    channel === undefined ? {} : { channel },
  )
}

/** Whether it has the shape of a position. */
export function isPosition(value: unknown): value is Position {
  return (
    isObject(value) &&
    typeof value.epoch === 'string' &&
    Number.isSafeInteger(value.offset) &&
    Number(value.offset) >= 0
  )
}

/** Whether it can be listened to for its abort; one of another realm can, too. */
export function isSignal(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.aborted === 'boolean' &&
    typeof value.addEventListener === 'function'
  )
}
