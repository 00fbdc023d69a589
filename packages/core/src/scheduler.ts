import type { Step } from './graph.js'
import type { Series } from './series.js'

/**
 * Runs, in a cycle, every node that a tick has marked, once each, in topological order.
 *
 * Nodes are numbered topologically, so "what runs next" is "the lowest marked number". The marks are a bitset of
 * 32 nodes a word; a second bitset has a bit for each word that is not zero, so a cycle costs what ticked
 * and next to nothing of what did not. A node marks only higher numbers: one pass forward is enough.
 */
export class Scheduler {
  /** Node that runs now, or ran last: who it was when a step throws. */
  current = -1
  /** Consumers of all series, each as a node's number; a series knows its range. */
  targets: Int32Array<ArrayBuffer>
  readonly #steps: Step[]
  readonly #outputs: Series[]
  readonly #marked: Int32Array
  readonly #words: Int32Array
  readonly #groups: number
  /** A number beyond all groups, so never looked at: the target of passive inputs. */
  readonly #nobody: number

  constructor(steps: Step[], outputs: Series[], targets: Int32Array<ArrayBuffer>) {
    const groups = (steps.length + 1023) >>> 10
    this.#steps = steps
    this.#outputs = outputs
    this.targets = targets
    this.#groups = groups
    this.#marked = new Int32Array(groups * 32 + 1)
    this.#words = new Int32Array(groups + 1)
    this.#nobody = groups << 10
  }

  /** Ticks `series` in this cycle and marks its consumers. */
  tick(series: Series, value: unknown): void {
    series.value = value
    series.stamp = series.cycle.stamp
    series.time = series.cycle.now
    const { targets } = this
    for (let i = series.first, end = series.end; i < end; i++) this.mark(targets[i] as number)
  }

  /** Makes `node` run in this cycle. */
  mark(node: number): void {
    const word = node >>> 5
    // biome-ignore lint/style/noNonNullAssertion: inside the array by construction
    this.#marked[word]! |= 1 << node
    // biome-ignore lint/style/noNonNullAssertion: inside the array by construction
    this.#words[word >>> 5]! |= 1 << word
  }

  /** Makes `node`, which has place `link` among all consumers, run or not run on a tick. Acts from the next tick on. */
  setActive(link: number, node: number, active: boolean): void {
    this.targets[link] = active ? node : this.#nobody
  }

  /** Runs what is marked. After a throw it can be called again: it goes on behind the node that threw. */
  run(): void {
    const marked = this.#marked
    const words = this.#words
    const steps = this.#steps
    const outputs = this.#outputs
    const last = this.#groups
    for (let group = 0; group < last; group++) {
      let live: number
      while ((live = words[group] as number) !== 0) {
        const word = (group << 5) | lowestBit(live)
        let bits: number
        while ((bits = marked[word] as number) !== 0) {
          const node = (word << 5) | lowestBit(bits)
          marked[word] = bits & (bits - 1)
          this.current = node
          const value = (steps[node] as Step)()
          if (value !== undefined) this.tick(outputs[node] as Series, value)
        }
        words[group] = (words[group] as number) & ~(1 << word)
      }
    }
    this.current = -1
  }
}

/** Number of the lowest bit that is set: 0 to 31. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}
