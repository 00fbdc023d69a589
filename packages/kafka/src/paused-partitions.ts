import type { Consumer } from 'kafkajs'

/** All partitions of a topic but these, or these only. */
interface Paused {
  readonly isAllBut: boolean
  readonly these: ReadonlySet<number>
}

const NONE: Paused = { isAllBut: false, these: new Set() }

/** Which partitions are not to be read, whichever consumer reads them. */
export class PausedPartitions {
  readonly #topics = new Map<string, Paused>()

  /** All of a topic where none are named. */
  pause(topic: string, partitions?: readonly number[]): void {
    if (partitions === undefined) this.#topics.set(topic, { ...NONE, isAllBut: true })
    else this.#change(topic, partitions, true)
  }

  resume(topic: string, partitions?: readonly number[]): void {
    if (partitions === undefined) this.#topics.set(topic, NONE)
    else this.#change(topic, partitions, false)
  }

  has(topic: string, partition: number): boolean {
    const { isAllBut, these } = this.#topics.get(topic) ?? NONE
    return these.has(partition) !== isAllBut
  }

  /** Has a consumer read what is to be read. @throws what kafkajs does while it does not run. */
  applyTo(consumer: Consumer): void {
    for (const [topic, { isAllBut, these }] of this.#topics) {
      const partitions = [...these]
      consumer.resume([{ topic }])
      consumer.pause([isAllBut ? { topic } : { topic, partitions }])
      if (isAllBut) consumer.resume([{ topic, partitions }])
    }
  }

  #change(topic: string, partitions: readonly number[], isPaused: boolean): void {
    const { isAllBut, these } = this.#topics.get(topic) ?? NONE
    const changed = new Set(these)
    for (const partition of partitions) {
      if (isPaused === isAllBut) changed.delete(partition)
      else changed.add(partition)
    }
    this.#topics.set(topic, { isAllBut, these: changed })
  }
}
