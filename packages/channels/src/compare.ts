/**
 * The order of values in queries and states: null and undefined first, then false, true, numbers, texts; texts by code
 * point.
 */
export function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b)
  if (typeof a === 'number' && typeof b === 'number') return a < b ? -1 : a > b ? 1 : 0
  const rank = rankOf(a) - rankOf(b)
  return rank !== 0 || typeof a !== 'boolean' ? rank : Number(a) - Number(b)
}

function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'boolean':
      return 1
    case 'number':
      return 2
    case 'string':
      return 3
    default:
      return value === null || value === undefined ? 0 : 4
  }
}

/** JavaScript orders texts by code unit, which puts the characters from U+10000 on before those from U+E000 on. */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left === right) continue
    // Half of a character from U+10000 on is beyond any unit that is a character by itself.
    if (isSurrogate(left) !== isSurrogate(right)) return isSurrogate(left) ? 1 : -1
    return left - right
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

/** Whether comparing with `text` by code unit is the same as by code point, whatever the other text is. */
export function isPlainText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0xd800) return false
  return true
}
