import type { ScheduledEvent } from './event-queue.js'
import type { Step } from './graph.js'
import { STAMP_LIMIT } from './running-cycle.js'
import type { Cycle, Series } from './series.js'
import type { SourceLoop, SourceLoopParts } from './source-loop.js'

/** What the nodes of a scheduler share; see `Scheduler`, which does the same without generated code. */
export interface ScheduledNodes {
  readonly cycle: Cycle
  readonly steps: readonly Step[]
  readonly outputs: readonly Series[]
  readonly targets: Int32Array
  readonly marked: Int32Array
  /** Whether there are flags to set with the marks. */
  readonly hasFlags: boolean
  readonly groups: Uint8Array
  readonly groupsOfGroups: Uint8Array
  /** Whether the first value of a node has been looked at. */
  readonly isChecked: Uint8Array
  /** Looks at it. */
  readonly check: (node: number, value: unknown) => void
  /** Told which node's step threw. */
  readonly threw: (node: number) => void
}

/** Runs the marked nodes of one word, in order. */
export type Block = () => void

/** Consumers in more words than that are marked in a loop, not one by one. */
const UNROLLED_WORDS = 4

let isForbidden = false
let generated = 0

/**
 * Writes one function for the 32 nodes of a word, in which each step is called in a place of its own. That is all there
 * is to it, but it lets the JavaScript engine put the steps, and what they call, in place of the calls: in the loop that
 * does the same for every node it sees ever different functions, and can not.
 * @returns `undefined` where code must not be generated from strings, as under most content security policies.
 */
export function generateBlock(nodes: ScheduledNodes, word: number): Block | undefined {
  const source = `return function ${nameOf(nodes, word)}() {
${bodyOf(nodes, word, 'throw error')}
}`
  return generate<Block>(nodes, word, {}, source)
}

/**
 * Writes `runSource` for one source and the nodes of a graph of one word. In a small graph that loop, and the call of the
 * nodes' function, is most of a cycle; and what is read are constants to the JavaScript engine, which need not be checked.
 */
export function generateSourceLoop(
  nodes: ScheduledNodes,
  event: ScheduledEvent,
  { cycle, agenda, end }: SourceLoopParts,
  goOn: (error: unknown) => void,
): SourceLoop | undefined {
  const { series, interval, refill } = event
  const source = `return function ${nameOf(nodes, 0)}OfSource(most) {
let left = most
for (;;) {
  {
    let bits = 0
    series.value = event.value; series.stamp = cycle.stamp; series.time = cycle.now
    ${marksOf(series, nodes, 0)}
    marked[0] |= bits
  }
  ${refill === undefined ? `event.time += ${interval}` : 'refill.advance(event)'}
  for (;;) {
    {
${bodyOf(nodes, 0, 'goOn(error)')}
    }
    if (agenda.isDisturbed || !(event.time > cycle.now && event.time <= end) || left === 1 || cycle.stamp === ${STAMP_LIMIT}) return left
    left--
    if (agenda.soon === undefined) break
    cycle.begin(cycle.now)
    agenda.tickSoon()
  }
  cycle.stampBefore = cycle.stamp++
  cycle.now = event.time
}
}`
  const parts = { event, series, refill, agenda, end, goOn }
  return generate<SourceLoop>({ ...nodes, cycle }, 0, parts, source)
}

/** Makes the function that `source` returns, which finds the nodes of the word and `parts` by name. */
function generate<F>(
  nodes: ScheduledNodes,
  word: number,
  parts: Readonly<Record<string, unknown>>,
  source: string,
): F | undefined {
  if (isForbidden) return undefined
  const { steps, outputs, ...shared } = nodes
  const names: Record<string, unknown> = { ...shared, ...parts }
  for (let i = word << 5; i < lastOf(nodes, word) + 1; i++) {
    names[`step${i}`] = steps[i]
    names[`out${i}`] = outputs[i]
  }
  try {
    // The number keeps the JavaScript engine from sharing what it learns of one function with another of the same text.
    const make = new Function(...Object.keys(names), `// ${++generated}\n${source}`)
    return make(...Object.values(names)) as F
  } catch (error) {
    if (!(error instanceof EvalError)) throw error
    isForbidden = true
    return undefined
  }
}

function lastOf({ steps }: ScheduledNodes, word: number): number {
  return Math.min((word << 5) + 32, steps.length) - 1
}

/** What stack traces and profiles show. */
function nameOf(nodes: ScheduledNodes, word: number): string {
  return `nodes${word << 5}to${lastOf(nodes, word)}`
}

/**
 * Runs the marked nodes of a word. It has a local copy of the marks, `bits`. What a step marks by itself, as one that has
 * several outputs does, is found in `marked` afterwards: such a step returns nothing. After a throw, what is left is
 * marked again.
 */
function bodyOf(nodes: ScheduledNodes, word: number, afterThrow: string): string {
  const first = word << 5
  const outputs = nodes.outputs.slice(first, first + 32)
  const lines = outputs.map((output, i) => {
    // Eight at a time are skipped when none of them is marked.
    const open = i % 8 === 0 ? `if (bits & ${0xff << i}) {` : ''
    const close = i % 8 === 7 || i === outputs.length - 1 ? '}' : ''
    const node = first + i
    const check =
      nodes.isChecked[node] === 1 ? '' : `if (isChecked[${node}] === 0) check(${node}, value);`
    return `${open}
  if (bits & ${1 << i}) {
    at = ${i}
    const value = step${node}()
    if (value === undefined) { ${merge(word)} }
    else { ${check} out${node}.value = value; out${node}.stamp = stamp; out${node}.time = now; ${marksOf(output, nodes, word)} }
  }${close}`
  })
  return `let bits = marked[${word}], at = 0
marked[${word}] = 0
const stamp = cycle.stamp, now = cycle.now
try {
${lines.join('\n')}
} catch (error) {
  threw(${first} + at)
  marked[${word}] |= bits & (-2 << at)
  ${afterThrow}
}`
}

function merge(word: number): string {
  return `if (marked[${word}] !== 0) { bits |= marked[${word}]; marked[${word}] = 0 }`
}

/** The bits are read from `targets` when it runs: inputs are made passive and active again by changing them there. */
function marksOf({ first, end }: Series, nodes: ScheduledNodes, word: number): string {
  const { targets, hasFlags } = nodes
  if (end - first > UNROLLED_WORDS * 2) {
    return `for (let i = ${first}; i < ${end}; i += 2) {
      const word = targets[i]
      marked[word] |= targets[i + 1]
      ${hasFlags ? 'groups[word >>> 3] = 1; groupsOfGroups[word >>> 9] = 1' : ''}
    }
    ${merge(word)}`
  }
  let marks = ''
  for (let i = first; i < end; i += 2) {
    const target = targets[i] as number
    if (target === word) {
      marks += `bits |= targets[${i + 1}];`
    } else {
      marks += `marked[${target}] |= targets[${i + 1}];`
      if (hasFlags) marks += `groups[${target >>> 3}] = 1; groupsOfGroups[${target >>> 9}] = 1;`
    }
  }
  return marks
}
