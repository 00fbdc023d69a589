import type { Step } from './graph.js'
import { type Cycle, SEVERAL, type Series } from './series.js'

/**
 * Runs, in a cycle, every node that a tick has marked, once each, in topological order.
 *
 * Nodes are numbered topologically, so "what runs next" is "the lowest marked number". The marks are a bitset of
 * 32 nodes a word; a second bitset has a bit for each word that may have marks, so a cycle costs what ticked and next
 * to nothing of what did not. A node marks only higher numbers: one pass forward is enough.
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
  readonly #words: Int32Array
  readonly #groups: number

  constructor(cycle: Cycle, steps: Step[], outputs: Series[], targets: Int32Array<ArrayBuffer>) {
    const groups = (steps.length + 1023) >>> 10
    this.#cycle = cycle
    this.#steps = steps
    this.#outputs = outputs
    this.targets = targets
    this.#groups = groups
    this.#marked = new Int32Array(groups * 32)
    this.#words = new Int32Array(groups)
  }

  /** Ticks `series` in this cycle and marks its consumers. */
  tick(series: Series, value: unknown): void {
    const { stamp, now } = this.#cycle
    series.value = value
    series.stamp = stamp
    series.time = now
    this.#mark(series)
  }

  /** Makes `node` run in this cycle. */
  mark(node: number): void {
    this.#set(node >>> 5, 1 << node)
  }

  /** Whether any node is marked. */
  get hasMarked(): boolean {
    return this.#words.some((word) => word !== 0)
  }

  /** Forgets all marks. */
  clear(): void {
    this.#marked.fill(0)
    this.#words.fill(0)
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
    const { stamp, now } = this.#cycle
    const marked = this.#marked
    const words = this.#words
    const steps = this.#steps
    const outputs = this.#outputs
    const groups = this.#groups
    for (let group = 0; group < groups; group++) {
      for (let live = words[group] as number; live !== 0; live = words[group] as number) {
        const word = (group << 5) | lowestBit(live)
        for (let bits = marked[word] as number; bits !== 0; bits = marked[word] as number) {
          let node = (word << 5) | lowestBit(bits)
          marked[word] = bits & (bits - 1)
          for (;;) {
            this.current = node
            const value = (steps[node] as Step)()
            if (value === undefined) break
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
        words[group] = (words[group] as number) & ~(1 << word)
      }
    }
    this.current = -1
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
    // biome-ignore lint/style/noNonNullAssertion: inside the array by construction
    this.#words[word >>> 5]! |= 1 << word
  }
}

/** Number of the lowest bit that is set: 0 to 31. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
