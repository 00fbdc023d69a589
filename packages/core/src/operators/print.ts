import type { Edge } from '../graph.js'
import { sink } from '../node.js'
import type { Input } from '../series.js'
import { isoOf } from '../time.js'

/** An edge, or a basket of edges by place or by key. */
export type Printable =
  | Edge<unknown>
  | readonly Edge<unknown>[]
  | { readonly [key: string]: Edge<unknown> }

/** How much a line of a log matters. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Where {@link log} writes to; a `console` is one. */
export type Logger = { readonly [L in LogLevel]: (line: string) => void }

/**
 * Writes a line `time tag:value` to the console for each tick. Of a list it shows blanks for elements that did not
 * tick, of a basket by key only those that did.
 */
export function print(tag: string, x: Printable): void {
  write('print', tag, x, (line) => console.log(line))
}

/** Writes the lines of {@link print} to a logger, by default the console. */
export function log(level: LogLevel, tag: string, x: Printable, logger: Logger = console): void {
  write('log', tag, x, (line) => logger[level](line))
}

function write(name: string, tag: string, x: Printable, line: (line: string) => void): void {
  sink(name, { x: x as Edge<unknown> }, ({ x }, context) => {
    const text = textOf(x as unknown as Input<unknown> | readonly Input<unknown>[])
    return () => line(`${isoOf(context.now)} ${tag}:${text()}`)
  })
}

function textOf(x: Input<unknown> | readonly Input<unknown>[]): () => string {
  if (Array.isArray(x)) {
    return () => `[${x.map((element) => (element.ticked ? show(element.value) : '')).join(',')}]`
  }
  if ('ticked' in x && typeof x.ticked === 'boolean') return () => show((x as Input<unknown>).value)
  const elements = Object.entries(x as unknown as { [key: string]: Input<unknown> })
  return () => {
    const ticked = elements.filter(([, element]) => element.ticked)
    return `{${ticked.map(([key, element]) => `${key}: ${show(element.value)}`).join(', ')}}`
  }
}

function show(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
