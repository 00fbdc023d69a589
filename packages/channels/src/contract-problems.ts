import type { z } from 'zod'
import { problemOfKey } from './basket-key.js'
import type { ChannelDefinition, Definitions, StateOptions } from './contract.js'
import { notJson } from './json-safe.js'
import { oddValuesIn } from './odd-values.js'
import { dottedName, isComparable, recordSchemaOf, schemasAt } from './paths.js'
import { shown } from './shown.js'

/** Names that a path or a client object cannot carry, or that mean something else there. */
const RESERVED = new Set([
  ...Object.getOwnPropertyNames(Object.prototype),
  'catch',
  'close',
  'finally',
  'heartbeat',
  'id',
  'prototype',
  'then',
  'toJSON',
])

/** Everything in a contract that cannot be served, a sentence each. */
export function contractProblems(channels: Definitions): readonly string[] {
  const problems: string[] = []
  if (typeof channels !== 'object' || channels === null) {
    return ['it is no object of channels']
  }
  const entries = Object.entries(channels)
  if (entries.length === 0) problems.push('it has no channel')
  const spellings = new Map<string, string>()
  const states = new Map<string, string>()
  for (const [name, definition] of entries) {
    const nameProblem = problemOfName(name)
    if (nameProblem !== undefined) problems.push(nameProblem)
    const spelling = name.replaceAll('_', '-')
    const other = spellings.get(spelling)
    if (other !== undefined) problems.push(`"${other}" and "${name}" have the same path`)
    spellings.set(spelling, name)
    if (!isDefinition(definition)) {
      problems.push(
        `"${name}" is no channel: make it with channel(), basket(), dynamicBasket() or field()`,
      )
      continue
    }
    problems.push(...problemsOfChannel(name, definition))
    for (const state of statesOf(definition)) {
      const alias = state?.alias ?? name
      const taken =
        states.get(alias) ?? (alias !== name && Object.hasOwn(channels, alias) ? alias : undefined)
      if (taken !== undefined) {
        problems.push(
          `the state "${alias}" of "${name}" has the name of one of "${taken}": give it an alias of its own`,
        )
      }
      states.set(alias, name)
      const aliasProblem = alias === name ? undefined : problemOfName(alias)
      if (aliasProblem !== undefined) problems.push(aliasProblem)
      problems.push(...problemsOfState(name, definition, state))
    }
  }
  return problems
}

/** Whether it has what every channel has. */
export function isDefinition(definition: unknown): boolean {
  return (
    typeof definition === 'object' &&
    definition !== null &&
    'kind' in definition &&
    'schema' in definition &&
    'options' in definition &&
    // Of zod 4, and not 3.
    (definition.schema as { _zod?: { def?: object } } | undefined)?._zod?.def !== undefined
  )
}

/** The states that a channel declares. */
export function statesOf(definition: ChannelDefinition): readonly StateOptions[] {
  const { options } = definition
  if (!isOptions(options)) return []
  const { state } = options
  if (state === undefined) return []
  return Array.isArray(state) ? (state as readonly StateOptions[]) : [state as StateOptions]
}

/** One path or several, as a list. */
export function pathsOf(paths: string | readonly string[] | undefined): readonly string[] {
  return paths === undefined ? [] : typeof paths === 'string' ? [paths] : paths
}

const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

const isOptions = (value: unknown): boolean => isObject(value) && !Array.isArray(value)
const arePaths = (value: unknown): boolean =>
  (Array.isArray(value) ? value : [value]).every((path) => typeof path === 'string')

/** The options of channels, and what their values are. */
const CHANNEL_OPTIONS: { readonly [option: string]: (value: unknown) => boolean } = {
  state: isObject,
  stage: isBoolean,
  send: isBoolean,
  readOnly: isBoolean,
  required: isBoolean,
  doc: (value) => typeof value === 'string',
}

const STATE_OPTIONS: readonly string[] = ['by', 'alias', 'index', 'keep', 'maxRecords', 'key']

/** What is wrong with the name of a channel or state. */
export function problemOfName(name: string): string | undefined {
  if (RESERVED.has(name)) return `"${name}" is reserved: choose another name`
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,127}$/.test(name)) {
    return `${shown(name)} is no name: letters, digits, _ and - can stand in a path, after a letter`
  }
  return undefined
}

function problemsOfChannel(
  name: string,
  { kind, schema, keys, options, value }: ChannelDefinition,
): string[] {
  const problems = notJson(schema).map(({ path, type, value }) => {
    const what =
      type === 'undefined'
        ? 'may be undefined'
        : value === undefined
          ? `is a ${type}`
          : `is ${value} by default`
    return `"${name}"${path === '' ? '' : `, field ${path},`} ${what}, which JSON cannot carry`
  })
  if (!isOptions(options)) {
    problems.push(`the options of "${name}" are an object, not ${shown(options)}`)
    return problems
  }
  const [odd] = kind === 'field' && problems.length === 0 ? oddValuesIn(value) : []
  if (odd !== undefined) {
    const where = odd.path.length === 0 ? '' : `, at ${odd.path.join('.')},`
    problems.push(`the value of "${name}"${where} is ${odd.what}, which JSON cannot carry`)
  }
  for (const [option, value] of Object.entries(options)) {
    if (!(option in CHANNEL_OPTIONS)) {
      problems.push(
        `"${name}" has the option "${option}", which channels do not have: they have ${Object.keys(CHANNEL_OPTIONS).join(', ')}`,
      )
    } else if (value !== undefined && CHANNEL_OPTIONS[option]?.(value) === false) {
      problems.push(`the option ${option} of "${name}" cannot be ${shown(value)}`)
    }
  }
  if (options.readOnly === true && (options.send === true || options.stage === true)) {
    problems.push(`"${name}" is read-only, and may be sent or staged to: choose one`)
  }
  if (options.stage === true && kind === 'basket') {
    problems.push(
      `"${name}" is a basket and cannot be staged: stage a channel, and spread what is released`,
    )
  }
  if (keys !== undefined) {
    if (keys.length === 0) problems.push(`the basket "${name}" has no keys`)
    const problem = problemOfKeys(keys)
    if (problem !== undefined) problems.push(`the basket "${name}" has ${problem}`)
  }
  return problems
}

/** What is wrong with the keys of a basket. */
export function problemOfKeys(keys: unknown): string | undefined {
  if (!Array.isArray(keys)) return `keys that are no list but ${shown(keys)}`
  for (const key of keys) {
    const problem = problemOfKey(key)
    if (problem !== undefined) return problem
  }
  const twice = keys.find((key, i) => keys.indexOf(key) !== i)
  return twice === undefined ? undefined : `the key ${shown(twice)} twice`
}

/** What is wrong with a state of a channel. */
export function problemsOfState(
  name: string,
  { kind, schema, keys }: ChannelDefinition,
  state: StateOptions,
): string[] {
  if (!isObject(state)) return [`a state of "${name}" is ${shown(state)}: say by what`]
  const problems: string[] = []
  const odd = Object.keys(state).find((option) => !STATE_OPTIONS.includes(option))
  if (odd !== undefined) {
    problems.push(
      `a state of "${name}" has the option "${odd}", which states do not have: they have ${STATE_OPTIONS.join(', ')}`,
    )
  }
  if (state.key !== undefined && kind !== 'basket') {
    problems.push(`a state of "${name}" is of the key "${state.key}", but "${name}" is no basket`)
  }
  const notPaths = (['by', 'index'] as const).find(
    (option) => state[option] !== undefined && !arePaths(state[option]),
  )
  if (notPaths !== undefined) {
    problems.push(
      `${notPaths} of a state of "${name}" is a path, or a list of paths, not ${shown(state[notPaths])}`,
    )
    return problems
  }
  if (state.key !== undefined && typeof state.key !== 'string') {
    problems.push(`key of a state of "${name}" is a text, not ${shown(state.key)}`)
    return problems
  }
  const by = pathsOf(state.by)
  if (by.length === 0) problems.push(`a state of "${name}" has no attribute to be kept by`)
  for (const path of [...by, ...pathsOf(state.index)]) {
    const problem = problemOfPath(recordSchemaOf(schema), path)
    if (problem !== undefined) problems.push(`a state of "${name}" is by "${path}", ${problem}`)
  }
  for (const [option, value] of [
    ['keep', state.keep === 'all' ? undefined : state.keep],
    ['maxRecords', state.maxRecords],
  ] as const) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1)) {
      problems.push(`${option} of a state of "${name}" is a whole number above 0, not ${value}`)
    }
  }
  if (state.key !== undefined && keys !== undefined && !keys.includes(state.key)) {
    problems.push(
      `a state of "${name}" is of the key "${state.key}", which the basket does not have`,
    )
  }
  return problems
}

function problemOfPath(schema: z.core.$ZodType, path: string): string | undefined {
  const schemas = schemasAt(schema, path)
  if (schemas.length === 0) return `which its records do not have${dottedName(schema, path)}`
  return isComparable(schemas) ? undefined : 'which is a list or an object: a key is one value'
}
