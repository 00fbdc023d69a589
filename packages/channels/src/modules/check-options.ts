import { ChannelsError } from '../errors.js'
import { isObject } from '../filter.js'
import { shown } from '../shown.js'

/** What the value of an option is. */
export interface OptionRule {
  readonly holds: (value: unknown) => boolean
  readonly what: string
  /** Whether it may be left out. */
  readonly isRequired?: boolean
}

export const TEXT: OptionRule = {
  holds: (value) => typeof value === 'string' && value !== '',
  what: 'a text, and not empty',
}
export const BOOLEAN: OptionRule = {
  holds: (value) => typeof value === 'boolean',
  what: 'true or false',
}
export const FUNCTION: OptionRule = {
  holds: (value) => typeof value === 'function',
  what: 'a function',
}
export const COUNT: OptionRule = {
  holds: (value) => typeof value === 'number' && value >= 1,
  what: '1 or more',
}
export const AMOUNT: OptionRule = {
  holds: (value) => typeof value === 'number' && value >= 0,
  what: 'a number, 0 or more',
}
export const LOGGER: OptionRule = {
  holds: (value) => hasMethods(value, ['info', 'warn', 'error']),
  what: 'a logger with the methods info, warn and error',
}
export const OVERFLOW: OptionRule = {
  holds: (value) => value === 'dropOldest' || value === 'fail',
  what: "'dropOldest' or 'fail'",
}

export function required(rule: OptionRule): OptionRule {
  return { ...rule, isRequired: true }
}

export function hasMethods(value: unknown, methods: readonly string[]): boolean {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function')
  )
}

/** Those who write JavaScript, or leave the compiler out, are told too. @throws ChannelsError `INVALID_OPTION`. */
export function checkModuleOptions(
  module: string,
  options: unknown,
  rules: Readonly<Record<string, OptionRule>>,
): void {
  if (!isObject(options)) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `${module}: the options are an object, not ${shown(options)}`,
    )
  }
  for (const [name, { holds, what, isRequired = false }] of Object.entries(rules)) {
    const value = options[name]
    if (value === undefined && !isRequired) continue
    if (holds(value)) continue
    throw new ChannelsError('INVALID_OPTION', `${module}: ${name} is ${what}, not ${shown(value)}`)
  }
}
