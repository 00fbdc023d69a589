import { shown } from './shown.js'

/** Characters of a key, at most: percent-encoded it fits into a request. */
const LONGEST_KEY = 1_024

/** What is wrong with the key of a basket: one that some transport could not carry. */
export function problemOfKey(key: unknown): string | undefined {
  if (typeof key !== 'string' || key === '') {
    return `the key ${shown(key)}: a key is a text, and not empty`
  }
  if (key.length > LONGEST_KEY) {
    return `a key of ${key.length} characters: a key has 1 to ${LONGEST_KEY} characters`
  }
  if (key === '__proto__') return `the key ${shown(key)}, which objects by key cannot have`
  if (/(^|\/)\.\.?(\/|$)/.test(key)) {
    return `the key ${shown(key)}: no URL has . or .. as a part between slashes, nor as all of it`
  }
  if (/\p{Cs}/u.test(key)) {
    return `the key ${shown(key)}: it has half of a character, which UTF-8 cannot carry`
  }
  return undefined
}
