import { onTestFinished } from 'vitest'

/** A server-sent event as a page would get it. */
export interface HeardEvent {
  readonly name: string
  /** Id of the last event so far, as a page remembers it. */
  readonly id: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into events of every shape
  readonly data: any
}

/** Reads an event stream as the HTML standard says. */
export class TestEvents {
  readonly response: Response
  lastEventId = ''
  readonly #events: AsyncGenerator<HeardEvent>
  readonly #abort: () => void

  constructor(response: Response, abort: () => void) {
    this.response = response
    this.#abort = abort
    this.#events = this.#read()
  }

  /** The next event; `undefined` when the stream has ended. */
  async hear(): Promise<HeardEvent | undefined> {
    const { value } = await this.#events.next()
    return value
  }

  close(): void {
    this.#abort()
  }

  async *#read(): AsyncGenerator<HeardEvent> {
    let rest = ''
    for await (const text of this.response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const blocks = (rest + text).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = new Map(
          block.split('\n').map((line): [string, string] => {
            const colon = line.indexOf(':')
            return [line.slice(0, colon), line.slice(colon + 1).trimStart()]
          }),
        )
        this.lastEventId = fields.get('id') ?? this.lastEventId
        const data = fields.get('data')
        if (data === undefined) continue
        yield {
          name: fields.get('event') ?? 'message',
          id: this.lastEventId,
          data: JSON.parse(data),
        }
      }
    }
  }
}

export async function openEvents(url: string, headers: HeadersInit = {}): Promise<TestEvents> {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  onTestFinished(abort)
  return new TestEvents(await fetch(url, { headers, signal: controller.signal }), abort)
}
