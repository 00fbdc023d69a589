/**
 * About how many bytes a value takes as JSON, without making the text. Tells `onOdd` of the path of each value that JSON does
 * not carry as it is: NaN, infinities, functions, big integers.
 */
export function measureJson(value: unknown, onOdd: (path: readonly string[]) => void): number {
  return measure(value, undefined, onOdd)
}

/** The way down to a value, as a list from the last step to the first: made only while going down into something. */
interface Step {
  readonly name: string
  readonly up: Step | undefined
}

function measure(
  value: unknown,
  path: Step | undefined,
  onOdd: (path: readonly string[]) => void,
): number {
  switch (typeof value) {
    case 'string':
      return value.length + 2
    case 'number':
      if (!Number.isFinite(value)) onOdd(namesOf(path))
      return 8
    case 'boolean':
      return 5
    case 'undefined':
      return 0
    case 'object': {
      if (value === null) return 4
      let bytes = 2
      if (Array.isArray(value)) {
        for (const element of value) bytes += measureInside(element, '[]', path, onOdd) + 1
        return bytes
      }
      const fields = value as Readonly<Record<string, unknown>>
      for (const name in fields)
        bytes += name.length + 4 + measureInside(fields[name], name, path, onOdd)
      return bytes
    }
    default:
      onOdd(namesOf(path))
      return 0
  }
}

function measureInside(
  value: unknown,
  name: string,
  path: Step | undefined,
  onOdd: (path: readonly string[]) => void,
): number {
  if (typeof value === 'string') return value.length + 2
  if (typeof value === 'number' && Number.isFinite(value)) return 8
  return measure(value, { name, up: path }, onOdd)
}

function namesOf(path: Step | undefined): readonly string[] {
  const names: string[] = []
  for (let step = path; step !== undefined; step = step.up) names.unshift(step.name)
  return names
}
