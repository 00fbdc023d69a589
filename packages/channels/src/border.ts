import {
  type Alarm,
  basketNode,
  type DynamicBasket,
  type Edge,
  type Graph,
  multiNode,
  type Output,
  push,
  source,
} from '@gw/core'

/** One tick of a batch: the border's output, and what ticks on it. */
export interface Entry {
  readonly output: BorderOutput
  readonly value: unknown
  /** Key of a dynamic basket. */
  readonly key?: string | undefined
}

/** What enters the graph in one cycle. */
export interface Batch {
  readonly entries: readonly Entry[]
  /** Asked when the cycle begins: false keeps the batch out. */
  readonly admit?: () => boolean
}

/** Where sent and released records enter the graph; declared while wiring. */
export interface BorderOutput {
  readonly name: string
  readonly edge: Edge<unknown>
}

interface Declared extends BorderOutput {
  edge: Edge<unknown>
  readonly isDynamic: boolean
}

/** The queue behind a border. */
interface Queue {
  readonly edge: Edge<Batch>
  readonly pending: number
  push(batch: Batch): void
}

/**
 * The one way into the graph from outside: a bounded queue of batches, each of which ticks in a cycle of its own,
 * in the order in which they came. In simulation what is handed in comes at the present engine time.
 */
export class Border {
  readonly #graph: Graph
  readonly #isRealtime: boolean
  readonly #maxPending: number
  readonly #outputs: Declared[] = []
  #queue: Queue | undefined

  constructor(graph: Graph, isRealtime: boolean, maxPending: number) {
    this.#graph = graph
    this.#isRealtime = isRealtime
    this.#maxPending = maxPending
  }

  /** Batches that wait for a cycle. */
  get pending(): number {
    return this.#queue?.pending ?? 0
  }

  /** Whether `more` batches have room. */
  hasRoom(more: number): boolean {
    return this.pending + more <= this.#maxPending
  }

  /** Declares an output; its edge is there once {@link build} has run. */
  output(name: string, isDynamic: boolean): BorderOutput {
    const output = { name, isDynamic, edge: undefined as unknown as Edge<unknown> }
    this.#outputs.push(output)
    return output
  }

  /** Makes the edges of all outputs. */
  build(): void {
    if (this.#outputs.length === 0) return
    const queue = this.#isRealtime
      ? push<Batch>(this.#graph, 'nonCollapsing', {
          name: 'border',
          maxPending: this.#maxPending,
          insideCycle: 'queue',
        })
      : simulatedQueue(this.#graph)
    this.#queue = queue
    const names = this.#outputs.map((_, i) => String(i))
    const edges = multiNode<Record<string, unknown>>()(
      'admit',
      { batch: queue.edge },
      names,
      ({ batch }, outputs) => {
        const places = new Map<BorderOutput, Output<unknown>>(
          this.#outputs.map((output, i) => [output, outputs[String(i)] as Output<unknown>]),
        )
        return () => {
          const { entries, admit } = batch.value
          if (admit?.() === false) return
          let dynamic: Map<Output<unknown>, Entry[]> | undefined
          for (const entry of entries) {
            const place = places.get(entry.output) as Output<unknown>
            if (entry.key === undefined) place.emit(entry.value)
            else {
              dynamic ??= new Map()
              const list = dynamic.get(place)
              if (list === undefined) dynamic.set(place, [entry])
              else list.push(entry)
            }
          }
          if (dynamic === undefined) return
          for (const [place, list] of dynamic) place.emit(list)
        }
      },
    )
    this.#outputs.forEach((output, i) => {
      const edge = edges[String(i)] as Edge<unknown>
      output.edge = output.isDynamic ? byKey(edge as Edge<readonly Entry[]>) : edge
    })
  }

  /** Hands a batch in: an idle engine runs its cycle before this returns. */
  push(batch: Batch): void {
    this.#queue?.push(batch)
  }
}

/** A push source is for realtime; here an alarm of the present time does the same. */
function simulatedQueue(graph: Graph): Queue {
  let alarm: Alarm<Batch> | undefined
  let pending = 0
  const edge = source<Batch>(graph, 'border', (context) => {
    const mine = context.alarm<Batch>()
    alarm = mine
    return () => {
      pending--
      return mine.value
    }
  })
  return {
    edge,
    get pending() {
      return pending
    },
    push: (batch) => {
      pending++
      alarm?.schedule(0, batch)
    },
  }
}

function byKey(entries: Edge<readonly Entry[]>): DynamicBasket<string, unknown> {
  return basketNode<string, unknown>()('byKey', { entries }, ({ entries }, basket) => () => {
    for (const { key, value } of entries.value) basket.emit(key as string, value)
  })
}
