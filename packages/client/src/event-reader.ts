/** One event of an event stream. */
export interface StreamEvent {
  /** `undefined` for one that only moves the position. */
  readonly data: string | undefined
  /** Id of this event, or of the last that had one. */
  readonly id: string | undefined
}

/** Characters of a line, at most. */
const MAX_LINE = 64 * 1024 * 1024

/** The events of a stream of server-sent events, and `undefined` for each sign of life that is none. */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<StreamEvent | undefined, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  let id: string | undefined
  let data: string[] = []
  let isEmpty = true
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      // A carriage return at the end may be half of a line's end.
      const text = rest + decoder.decode(value, { stream: true })
      const lines = text.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE) throw new Error('an event is too long')
      let events = 0
      for (const line of lines) {
        if (line === '') {
          if (!isEmpty) {
            events++
            yield { id, data: data.length === 0 ? undefined : data.join('\n') }
          }
          data = []
          isEmpty = true
          continue
        }
        const [, field, content = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
        if (field === 'data') data.push(content)
        else if (field === 'id') id = content
        if (field === 'data' || field === 'id') isEmpty = false
      }
      if (events === 0) yield undefined
    }
  } finally {
    reader.cancel().catch(() => undefined)
  }
}
