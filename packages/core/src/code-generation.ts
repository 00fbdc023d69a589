import type { Step } from './graph.js'
import type { Cycle, Series } from './series.js'

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

/**
 * Writes one function for the 32 nodes of a word, in which each step is called in a place of its own. That is all there
 * is to it, but it lets the JavaScript engine put the steps, and what they call, in place of the calls: in the loop that
 * does the same for every node it sees ever different functions, and can not.
 * @returns `undefined` where code must not be generated from strings, as under most content security policies.
 */
export function generateBlock(nodes: ScheduledNodes, word: number): Block | undefined {
  if (isForbidden) return undefined
  const first = word << 5
  const steps = nodes.steps.slice(first, first + 32)
  const outputs = nodes.outputs.slice(first, first + 32)
  const names = steps.flatMap((_, i) => [`step${i}`, `out${i}`])
  const values = steps.flatMap((step, i) => [step, outputs[i]])
  const { cycle, targets, marked, groups, groupsOfGroups, isChecked, check, threw } = nodes
  try {
    const make = new Function(
      ...['cycle', 'targets', 'marked', 'groups', 'groupsOfGroups', 'isChecked', 'check', 'threw'],
      ...names,
      sourceOf(outputs, nodes, word),
    )
    return make(
      cycle,
      targets,
      marked,
      groups,
      groupsOfGroups,
      isChecked,
      check,
      threw,
      ...values,
    ) as Block
  } catch (error) {
    if (!(error instanceof EvalError)) throw error
    isForbidden = true
    return undefined
  }
}

let blocks = 0

/**
 * The function has a local copy of the marks of its word, `bits`. What a step marks by itself, as one that has several
 * outputs does, is found in `marked` afterwards: such a step returns nothing.
 */
function sourceOf(outputs: readonly Series[], nodes: ScheduledNodes, word: number): string {
  const first = word << 5
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
    const value = step${i}()
    if (value === undefined) { ${MERGE(word)} }
    else { ${check} out${i}.value = value; out${i}.stamp = stamp; out${i}.time = now; ${marksOf(output, nodes, word)} }
  }${close}`
  })
  // The number keeps the JavaScript engine from sharing what it learns of one block with another of the same text.
  return `return function nodes${first}to${first + outputs.length - 1}() { // ${++blocks}
let bits = marked[${word}], at = 0
marked[${word}] = 0
const stamp = cycle.stamp, now = cycle.now
try {
${lines.join('\n')}
} catch (error) {
  threw(${first} + at)
  marked[${word}] |= bits & (-2 << at)
  throw error
}
}`
}

const MERGE = (word: number): string =>
  `if (marked[${word}] !== 0) { bits |= marked[${word}]; marked[${word}] = 0 }`

/** The bits are read from `targets` when it runs: inputs are made passive and active again by changing them there. */
function marksOf({ first, end }: Series, nodes: ScheduledNodes, word: number): string {
  const { targets, hasFlags } = nodes
  if (end - first > UNROLLED_WORDS * 2) {
    return `for (let i = ${first}; i < ${end}; i += 2) {
      const word = targets[i]
      marked[word] |= targets[i + 1]
      ${hasFlags ? 'groups[word >>> 3] = 1; groupsOfGroups[word >>> 9] = 1' : ''}
    }
    ${MERGE(word)}`
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
