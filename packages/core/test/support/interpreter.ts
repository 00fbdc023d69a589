/**
 * The engine's rules in the most obvious form, with no thought for speed: events in a list, and in each cycle every
 * node is looked at in the order of declaration.
 */
export interface Seen {
  readonly ticked: boolean
  readonly valid: boolean
  readonly value: number
}

/** What a node can do beside giving a value: tick its own alarm later. */
export interface Alarm {
  readonly ticked: boolean
  readonly value: number
  schedule(delay: number, value: number): void
}

export interface NaiveNode {
  /** Places of the edges that it reads: sources first, then nodes. */
  readonly reads: readonly number[]
  /** Those among them that do not run it. */
  readonly passive?: readonly number[]
  /** Made anew for each run. */
  readonly start: () => (inputs: readonly Seen[], alarm: Alarm) => number | undefined
  /** Place of the feedback, a source, that its ticks go to in the next cycle. */
  readonly feeds?: number
}

interface Event {
  readonly time: number
  /** What it ticks: a source by place, or a node's alarm. */
  readonly on: number | string
  readonly value: number
}

/** @returns the ticks of each edge, sources first. */
export function interpret(
  sources: readonly (readonly (readonly [time: number, value: number])[])[],
  nodes: readonly NaiveNode[],
  end: number,
): (readonly [number, number])[][] {
  let events: Event[] = sources.flatMap((ticks, on) =>
    ticks.map(([time, value]) => ({ time, on, value })),
  )
  const steps = nodes.map((node) => node.start())
  const edges = [...sources, ...nodes].map(() => ({
    ticked: false,
    valid: false,
    value: Number.NaN,
  }))
  const outputs = edges.map((): (readonly [number, number])[] => [])
  for (;;) {
    const now = Math.min(...events.map((event) => event.time))
    if (!(now <= end)) return outputs
    // Of each source, the first of its events that are due: the others wait for a next cycle.
    const due = new Map<number | string, Event>()
    for (const event of events) {
      if (event.time === now && !due.has(event.on)) due.set(event.on, event)
    }
    events = events.filter((event) => due.get(event.on) !== event)
    const tick = (edge: number, value: number): void => {
      edges[edge] = { ticked: true, valid: true, value }
      outputs[edge]?.push([now, value])
    }
    for (const [i, edge] of edges.entries()) edges[i] = { ...edge, ticked: false }
    for (const [on, { value }] of due) if (typeof on === 'number') tick(on, value)
    for (const [i, { reads, passive = [], feeds }] of nodes.entries()) {
      const alarm = due.get(`alarm ${i}`)
      const inputs = reads.map((edge) => edges[edge] as Seen)
      const runs = inputs.some(({ ticked }, k) => ticked && !passive.includes(k))
      if (!runs && alarm === undefined) continue
      const value = steps[i]?.(inputs, {
        ticked: alarm !== undefined,
        value: alarm?.value ?? Number.NaN,
        schedule: (delay, value) => events.push({ time: now + delay, on: `alarm ${i}`, value }),
      })
      if (value === undefined) continue
      tick(sources.length + i, value)
      if (feeds !== undefined) events.push({ time: now, on: feeds, value })
    }
  }
}
