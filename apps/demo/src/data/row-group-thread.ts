import { Worker } from 'node:worker_threads'
import type { RowGroup } from './row-group.js'

/** What the thread answers. */
export type RowGroupAnswer =
  | { readonly group: number; readonly decoded: RowGroup }
  | { readonly group: number; readonly failure: string }

/** Decodes row groups on a thread of its own, so that the engine runs meanwhile: reading is a third of all the work. */
export class RowGroupThread {
  readonly #worker: Worker
  readonly #waiting = new Map<
    number,
    { resolve(group: RowGroup): void; reject(error: Error): void }
  >()

  constructor(path: string) {
    this.#worker = new Worker(new URL('./row-group-worker.js', import.meta.url), {
      workerData: path,
      resourceLimits: { maxOldGenerationSizeMb: 192, maxYoungGenerationSizeMb: 16 },
    })
    // Waiting for a row group keeps the process alive; an idle thread does not.
    this.#worker.unref()
    this.#worker.on('message', (answer: RowGroupAnswer) => {
      const waiting = this.#waiting.get(answer.group)
      this.#settled(answer.group)
      if ('decoded' in answer) waiting?.resolve(answer.decoded)
      else waiting?.reject(new Error(answer.failure))
    })
    this.#worker.on('error', (error) => this.#failAll(error))
    this.#worker.on('exit', () => this.#failAll(new Error('the reading thread has ended')))
  }

  read(group: number): Promise<RowGroup> {
    this.#worker.ref()
    return new Promise((resolve, reject) => {
      this.#waiting.set(group, { resolve, reject })
      this.#worker.postMessage(group)
    })
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  #settled(group: number): void {
    this.#waiting.delete(group)
    if (this.#waiting.size === 0) this.#worker.unref()
  }

  #failAll(error: Error): void {
    for (const [group, { reject }] of this.#waiting) {
      this.#settled(group)
      reject(error)
    }
  }
}
