/**
 * The names along a path into a record. Dots stand between them; a `\` has the character behind it be part of a name.
 * @example `stepsOf('price.currency')` is `['price', 'currency']`, `stepsOf('tags.http\\.method')` is `['tags', 'http.method']`
 */
export function stepsOf(path: string): readonly string[] {
  return splitUnescaped(path, '.').map((step) => step.replace(/\\(.)/gsu, '$1'))
}

/** The path of a field by its name, which may hold dots. @example `escapeStep('http.method')` is `'http\\.method'` */
export function escapeStep(name: string): string {
  return name.replace(/[.\\]/g, '\\$&')
}

/** The parts of a text between separators, of one character, in front of which no `\` stands. */
export function splitUnescaped(text: string, separator: string): readonly string[] {
  if (!text.includes('\\')) return text.split(separator)
  const parts: string[] = []
  let start = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === separator) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, text.slice(start)]
}
