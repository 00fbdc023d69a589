/** A matcher of a test library in place of a value: `expect.any(String)`, say. */
interface AsymmetricMatcher {
  asymmetricMatch(actual: unknown): boolean
}

/** Whether two values of channels are the same, NaN and matchers of test libraries included; with `isPartial`, objects may have more. */
export function isEqual(actual: unknown, expected: unknown, isPartial = false): boolean {
  if (isMatcher(expected)) return expected.asymmetricMatch(actual)
  if (Object.is(actual, expected) || actual === expected) return true
  if (typeof actual !== 'object' || typeof expected !== 'object') return false
  if (actual === null || expected === null || Array.isArray(actual) !== Array.isArray(expected)) {
    return false
  }
  const mine = definedIn(actual)
  const theirs = definedIn(expected)
  const mayHaveMore = isPartial && !Array.isArray(expected)
  if (!mayHaveMore && mine.size !== theirs.size) return false
  return [...theirs].every(
    ([key, value]) => mine.has(key) && isEqual(mine.get(key), value, isPartial),
  )
}

function definedIn(object: object): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(object).filter(([, value]) => value !== undefined))
}

function isMatcher(value: unknown): value is AsymmetricMatcher {
  return typeof (value as Partial<AsymmetricMatcher> | null)?.asymmetricMatch === 'function'
}
