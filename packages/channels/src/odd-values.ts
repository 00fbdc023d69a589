/** A value that JSON does not carry as it is. */
export interface OddValue {
  /** The way to it: names of fields, and places in lists. */
  readonly path: readonly (string | number)[]
  /** What it is. */
  readonly what: string
  /** NaN or an infinity, which goes out as null. */
  readonly isNumber?: boolean
}

/** How deep values may lie inside of each other; beyond it, they are taken to contain themselves. */
const DEEPEST = 500
/** Odd values that are told, at most. */
const MOST = 10

/** All that JSON does not carry in a value from outside: what no schema has looked at may be anything. */
export function oddValuesIn(value: unknown): readonly OddValue[] {
  // Most have none, so there is no list and no path before there is one.
  const found: OddValue[] = []
  try {
    visit(value, undefined, 0, found)
  } catch (error) {
    if (!(error instanceof TooDeep)) throw error
    return [{ path: error.path, what: 'an object that contains itself, or nests too deep' }]
  }
  return found
}

/** What contains itself in several places has no end of ways down, so the first one is told, and how it begins. */
class TooDeep extends Error {
  readonly path: readonly (string | number)[]

  constructor(path: readonly (string | number)[]) {
    super()
    this.path = path.slice(0, 3)
  }
}

/** The way down to a value, from the last step to the first. */
interface Step {
  readonly name: string | number
  readonly up: Step | undefined
}

function visit(value: unknown, path: Step | undefined, depth: number, found: OddValue[]): void {
  if (found.length === MOST) return
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value)) {
        found.push({ path: namesOf(path), what: String(value), isNumber: true })
      }
      return
    case 'object':
      if (value !== null) visitObject(value, path, depth, found)
      return
    case 'undefined':
      // A field without a value is left out; in a list, or by itself, it would be something else.
      if (typeof path?.name !== 'string') found.push({ path: namesOf(path), what: 'undefined' })
      return
    default:
      found.push({ path: namesOf(path), what: `a ${typeof value}` })
  }
}

function visitObject(
  value: object,
  path: Step | undefined,
  depth: number,
  found: OddValue[],
): void {
  if (depth > DEEPEST) throw new TooDeep(namesOf(path))
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) visitInside(value[i], i, path, depth, found)
    return
  }
  const tag = Object.prototype.toString.call(value).slice(8, -1)
  if (tag !== 'Object' || typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    found.push({
      path: namesOf(path),
      what: tag === 'Object' ? 'an object with a JSON of its own' : `a ${tag}`,
    })
    return
  }
  for (const name in value) {
    visitInside((value as Readonly<Record<string, unknown>>)[name], name, path, depth, found)
  }
}

function visitInside(
  value: unknown,
  name: string | number,
  path: Step | undefined,
  depth: number,
  found: OddValue[],
): void {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return
  visit(value, { name, up: path }, depth + 1, found)
}

function namesOf(path: Step | undefined): readonly (string | number)[] {
  const names: (string | number)[] = []
  for (let step = path; step !== undefined; step = step.up) names.unshift(step.name)
  return names
}
