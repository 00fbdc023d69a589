import {
  type Block,
  generateBlock,
  generateSourceLoop,
  type ScheduledNodes,
} from './code-generation.js'
import { refusePromise } from './errors.js'
import type { ScheduledEvent } from './event-queue.js'
import type { Step } from './graph.js'
import { type Cycle, SEVERAL, type Series } from './series.js'
import type { SourceLoop, SourceLoopParts } from './source-loop.js'

/**
 * Words that may have a generated function: those of 512 nodes. Of so many the code still fits into a processor's cache;
 * where more run in each cycle, the loop is faster.
 */
const MOST_BLOCKS = 16

// What small graphs do not need they share: there may be very many of them, one for each key of a basket.
const NO_FLAGS = new Uint8Array(0)
const NO_BLOCKS: (Block | undefined)[] = new Array(8).fill(undefined)
const NO_RUNS = new Int32Array(8)

/**
 * Runs, in a cycle, every node that a tick has marked, once each, in topological order.
 *
 * Nodes are numbered topologically, so "what runs next" is "the lowest marked number", and since a node marks only
 * higher numbers, one pass forward is enough. The marks are a bitset of 32 nodes a word. So that a cycle costs what
 * ticked, and not what did not, larger graphs have a flag for every 8 words, a group, that may have marks, and one for
 * every 64 groups: of a million nodes a pass looks at 62 flags, and inside those that are up.
 */
export class Scheduler {
  /** Node that runs now, or ran last: who it was when a step throws. */
  current = -1
  /** Consumers of all series, as pairs of a word of the bitset and the bits to set in it; a series knows its range. */
  targets: Int32Array<ArrayBuffer>
  readonly #cycle: Cycle
  readonly #steps: Step[]
  readonly #outputs: Series[]
  readonly #marked: Int32Array
  /** Whether it has more than one group: with one, to look at the words costs less than to keep flags. */
  readonly #hasFlags: boolean
  readonly #groups: Uint8Array
  readonly #groupsOfGroups: Uint8Array
  /** Whether the first value of each node has been looked at: an async step returns nothing but promises. */
  readonly #isChecked: Uint8Array
  /** Functions generated for words that run often; see `generateBlock`. */
  readonly #blocks: (Block | undefined)[]
  /** Runs of each word before a function is generated for it; 0 when there is none to come. */
  readonly #runsLeft: Int32Array
  #blocksLeft = MOST_BLOCKS
  readonly #onGenerated: () => void

  /**
   * `compileAfter` is how often a word runs before a function is generated for it; `Infinity` for never. `onGenerated` is
   * called then.
   */
  constructor(
    cycle: Cycle,
    steps: Step[],
    outputs: Series[],
    targets: Int32Array<ArrayBuffer>,
    compileAfter: number,
    onGenerated: () => void,
  ) {
    const words = (steps.length + 31) >>> 5
    const groups = (words + 7) >>> 3
    this.#cycle = cycle
    this.#onGenerated = onGenerated
    this.#steps = steps
    this.#outputs = outputs
    this.targets = targets
    this.#marked = new Int32Array(words)
    this.#hasFlags = groups > 1
    this.#groups = this.#hasFlags ? new Uint8Array(groups) : NO_FLAGS
    this.#groupsOfGroups = this.#hasFlags ? new Uint8Array((groups + 63) >>> 6) : NO_FLAGS
    this.#isChecked = new Uint8Array(steps.length)
    const generates = Number.isFinite(compileAfter)
    const sharesNone = !generates && words <= NO_RUNS.length
    this.#blocks = sharesNone ? NO_BLOCKS : new Array(words).fill(undefined)
    this.#runsLeft = sharesNone ? NO_RUNS : new Int32Array(words).fill(generates ? compileAfter : 0)
  }

  /** Ticks `series` in this cycle and marks its consumers. */
  tick(series: Series, value: unknown): void {
    const { stamp, now } = this.#cycle
    series.value = value
    series.stamp = stamp
    series.time = now
    if (series.only >= 0) this.mark(series.only)
    else this.#mark(series)
  }

  /** Makes `node` run in this cycle. */
  mark(node: number): void {
    this.#set(node >>> 5, 1 << node)
  }

  /** Makes ticks of `series`, of which `node` is a consumer, run it or not. Acts from the next tick on. */
  setActive(series: Series, node: number, active: boolean): void {
    const { targets } = this
    const bit = 1 << node
    let count = 0
    let last = SEVERAL
    for (let i = series.first; i < series.end; i += 2) {
      const word = targets[i] as number
      let bits = targets[i + 1] as number
      if (word === node >>> 5) {
        bits = active ? bits | bit : bits & ~bit
        targets[i + 1] = bits
      }
      if (bits !== 0) last = (word << 5) | lowestBit(bits)
      count += bits === 0 ? 0 : (bits & (bits - 1)) === 0 ? 1 : 2
    }
    series.only = count === 1 ? last : SEVERAL
  }

  /** Runs what is marked. After a throw it can be called again: it goes on behind the node that threw. */
  run(): void {
    if (this.#hasFlags) this.#runFlagged()
    else this.#runWords(0, this.#marked.length)
  }

  /**
   * Generates a loop over the cycles of a source where that gains something: in a graph of one word whose nodes run often.
   * `goOn` is called after a throw.
   */
  sourceLoop(
    event: ScheduledEvent,
    parts: SourceLoopParts,
    goOn: (error: unknown) => void,
  ): SourceLoop | undefined {
    const hasBlock = this.#blocks.length === 1 && this.#blocks[0] !== undefined
    return hasBlock ? generateSourceLoop(this.#nodes(), event, parts, goOn) : undefined
  }

  #runFlagged(): void {
    const groups = this.#groups
    const groupsOfGroups = this.#groupsOfGroups
    for (let top = 0; top < groupsOfGroups.length; top++) {
      if (groupsOfGroups[top] === 0) continue
      const end = Math.min((top + 1) << 6, groups.length)
      for (let group = top << 6; group < end; group++) {
        if (groups[group] === 0) continue
        this.#runWords(group << 3, Math.min((group + 1) << 3, this.#marked.length))
        groups[group] = 0
      }
      groupsOfGroups[top] = 0
    }
  }

  #runWords(start: number, end: number): void {
    const marked = this.#marked
    const blocks = this.#blocks
    for (let word = start; word < end; word++) {
      if (marked[word] === 0) continue
      const block = blocks[word]
      if (block === undefined) this.#runWord(word)
      else block()
    }
  }

  /** Runs the marked nodes of one word: what a generated block does, for any nodes. */
  #runWord(word: number): void {
    const { stamp, now } = this.#cycle
    const marked = this.#marked
    const steps = this.#steps
    const outputs = this.#outputs
    const isChecked = this.#isChecked
    for (let bits = marked[word] as number; bits !== 0; bits = marked[word] as number) {
      let node = (word << 5) | lowestBit(bits)
      marked[word] = bits & (bits - 1)
      for (;;) {
        this.current = node
        const value = (steps[node] as Step)()
        if (value === undefined) break
        if (isChecked[node] === 0) this.#check(node, value)
        const series = outputs[node] as Series
        series.value = value
        series.stamp = stamp
        series.time = now
        node++
        if (series.only !== node) {
          this.#mark(series)
          break
        }
        // Its only consumer has the next number, so no marked node comes before it: run it without a mark, and
        // take away the one that another of its inputs may have left.
        // biome-ignore lint/style/noNonNullAssertion: inside the array by construction
        marked[node >>> 5]! &= ~(1 << node)
      }
    }
    const runsLeft = this.#runsLeft[word] as number
    if (runsLeft > 0) {
      this.#runsLeft[word] = runsLeft - 1
      if (runsLeft === 1) this.#generate(word)
    }
  }

  #check(node: number, value: unknown): void {
    refusePromise(value)
    this.#isChecked[node] = 1
  }

  #generate(word: number): void {
    if (this.#blocksLeft === 0) return
    this.#blocksLeft--
    this.#blocks[word] = generateBlock(this.#nodes(), word)
    this.#onGenerated()
  }

  #nodes(): ScheduledNodes {
    return {
      cycle: this.#cycle,
      steps: this.#steps,
      outputs: this.#outputs,
      targets: this.targets,
      marked: this.#marked,
      hasFlags: this.#hasFlags,
      groups: this.#groups,
      groupsOfGroups: this.#groupsOfGroups,
      isChecked: this.#isChecked,
      check: (node, value) => this.#check(node, value),
      threw: (node) => {
        this.current = node
      },
    }
  }

  #mark(series: Series): void {
    const { targets } = this
    for (let i = series.first, end = series.end; i < end; i += 2) {
      this.#set(targets[i] as number, targets[i + 1] as number)
    }
  }

  #set(word: number, bits: number): void {
    // biome-ignore lint/style/noNonNullAssertion: inside the array by construction
    this.#marked[word]! |= bits
    if (this.#hasFlags) {
      this.#groups[word >>> 3] = 1
      this.#groupsOfGroups[word >>> 9] = 1
    }
  }
}

/** Number of the lowest bit that is set: 0 to 31. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
