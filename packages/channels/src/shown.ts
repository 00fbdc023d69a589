const LONGEST = 200

/** A value as messages show it: as JSON where it has one, cut where it is long. Never throws, whatever it is. */
export function shown(value: unknown): string {
  const text = textOf(value)
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      // Of a text that is cut, most need not be escaped first.
      return JSON.stringify(value.slice(0, LONGEST + 1))
    case 'bigint':
      return `${value}n`
    case 'symbol':
    case 'number':
      return String(value)
    case 'function':
      return 'a function'
    default:
      try {
        return JSON.stringify(value) ?? String(value)
      } catch {
        return 'an object that JSON cannot carry'
      }
  }
}
