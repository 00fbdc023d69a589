import {
  curve,
  Graph,
  type Logger,
  type LogLevel,
  log,
  type Printable,
  print,
  simulate,
} from '@gw/core'
import { expect, test, vi } from 'vitest'

const AT_10 = '1970-01-01T00:00:00.000010Z'
const AT_20 = '1970-01-01T00:00:00.000020Z'

/** Two series, of which the first ticks at 10 and both at 20. */
function pair(graph: Graph) {
  const x = curve<unknown>(graph, [
    [10, 1],
    [20, { a: [2] }],
  ])
  return { x, y: curve(graph, [[20, 'text']]) }
}

test.each<[string, (graph: Graph) => Printable, string, string]>([
  ['an edge', (graph) => pair(graph).x, '1', '{"a":[2]}'],
  ['a list, with blanks', (graph) => Object.values(pair(graph)), '[1,]', '[{"a":[2]},text]'],
  ['a basket by key', pair, '{x: 1}', '{x: {"a":[2]}, y: text}'],
])('writes %s, a line for each cycle', (_what, build, first, second) => {
  const graph = new Graph()
  const lines: string[] = []
  const write = (level: LogLevel) => (line: string) => lines.push(`${level} ${line}`)
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
  const x = build(graph)
  log('warn', 'x', x, logger)
  const onConsole = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  try {
    print('x', x)
    log('warn', 'x', x)
    simulate(graph)
    const expected = [`${AT_10} x:${first}`, `${AT_20} x:${second}`]
    expect(lines).toEqual(expected.map((line) => `warn ${line}`))
    expect(onConsole.mock.calls).toEqual(expected.map((line) => [line]))
    expect(warned.mock.calls).toEqual(expected.map((line) => [line]))
  } finally {
    onConsole.mockRestore()
    warned.mockRestore()
  }
})
