import { KafkaError } from './errors.js'

/** Says what is wrong with a value that has this name; nothing, when it is as it should be. */
export type Rule = (value: unknown, name: string) => string | undefined

/** A rule for each option: one that is forgotten is told by the compiler. */
export type RulesOf<O> = { readonly [K in keyof Required<O>]: Rule }

const LONGEST_MS = 2 ** 31 - 1
const LONGEST_SHOWN = 100

/** A rule that says what a value is. */
export function is(what: string, holds: (value: unknown) => boolean): Rule {
  return (value, name) => (holds(value) ? undefined : `${name} is ${what}, not ${shown(value)}`)
}

/** As {@link is}, of values that are not to be shown. */
export function isSecretly(what: string, holds: (value: unknown) => boolean): Rule {
  return (value, name) => (holds(value) ? undefined : `${name} is ${what}`)
}

export function oneOf(...values: readonly unknown[]): Rule {
  return is(values.map(shown).join(' or '), (value) => values.includes(value))
}

export const TEXT: Rule = is('a text that is not empty', isText)
export const BOOLEAN: Rule = is('true or false', (value) => typeof value === 'boolean')
export const FUNCTION: Rule = is('a function', (value) => typeof value === 'function')
export const COUNT: Rule = is('a whole number from 1 on', (value) => isWhole(value, 1))
export const COUNT_FROM_0: Rule = is('a whole number from 0 on', (value) => isWhole(value, 0))
/** As long as a timer can wait. */
export const MS: Rule = is(
  `a number of milliseconds, from 1 to ${LONGEST_MS}`,
  (value) => typeof value === 'number' && value >= 1 && value <= LONGEST_MS,
)
export const TOPIC: Rule = is(
  'the name of a topic: 1 to 249 letters, digits, dots, _ and -',
  isTopic,
)
/** Has these methods, whatever else it has. */
export function methods(...names: readonly string[]): Rule {
  return is(
    `an object with the methods ${names.join(', ')}`,
    (value) => isObject(value) && names.every((name) => typeof value[name] === 'function'),
  )
}

/** An object of these options and no others. */
export function shape(
  rules: Readonly<Record<string, Rule>>,
  required: readonly string[] = [],
): Rule {
  return (value, name) => {
    if (!isObject(value)) return `${name} is an object, not ${shown(value)}`
    const odd = Object.keys(value).find((each) => !Object.hasOwn(rules, each))
    const known = Object.keys(rules).join(', ')
    if (odd !== undefined) return `${name} has no ${shown(odd)}: it has ${known}`
    const missing = required.find((each) => value[each] === undefined)
    if (missing !== undefined) return `${name} has to have ${missing}`
    return firstOf(Object.entries(rules), ([key, rule]) => {
      const option = value[key]
      return option === undefined ? undefined : rule(option, `${name}.${key}`)
    })
  }
}

/** An object whose keys and values are so. */
export function mapOf(keys: Rule, values: Rule): Rule {
  return (value, name) => {
    if (!isObject(value)) return `${name} is an object, not ${shown(value)}`
    return firstOf(Object.entries(value), ([key, each]) =>
      each === undefined
        ? undefined
        : (keys(key, `a key of ${name}`) ?? values(each, `${name}[${shown(key)}]`)),
    )
  }
}

/** A list whose elements are so. */
export function listOf(elements: Rule): Rule {
  return (value, name) => {
    if (!Array.isArray(value)) return `${name} is a list, not ${shown(value)}`
    return firstOf([...value.entries()], ([at, each]) => elements(each, `${name}[${at}]`))
  }
}

/** @throws KafkaError `INVALID_OPTIONS` that names the call and the option. */
export function checkShape(
  call: string,
  options: unknown,
  rules: Readonly<Record<string, Rule>>,
  required: readonly string[],
): void {
  if (!isObject(options)) {
    throw new KafkaError(
      'INVALID_OPTIONS',
      `the options of ${call} are an object, not ${shown(options)}`,
    )
  }
  const problem = shape(rules, required)(options, call)
  if (problem !== undefined) throw new KafkaError('INVALID_OPTIONS', problem)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

export function isWhole(
  value: unknown,
  from: number,
  to: number = Number.MAX_SAFE_INTEGER,
): boolean {
  return Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to
}

function isTopic(value: unknown): boolean {
  return typeof value === 'string' && /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/.test(value)
}

/** Whether it is the address of something that speaks HTTP. */
export function isUrl(value: unknown): boolean {
  return typeof value === 'string' && /^https?:\/\/./.test(value) && URL.canParse(value)
}

/** A value as messages show it, short. Never throws. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(
        value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value,
      )
    case 'bigint':
      return `${value}n`
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object'
    default:
      return String(value)
  }
}

function firstOf<T>(values: readonly T[], problemOf: (value: T) => string | undefined) {
  for (const value of values) {
    const problem = problemOf(value)
    if (problem !== undefined) return problem
  }
  return undefined
}
