import { compile, type Program } from './compile.js'
import type { Engine } from './engine.js'
import { GraphError, nodeFailed, refusePromise } from './errors.js'
import type { ScheduledEvent } from './event-queue.js'
import type { Edge, Graph, NodeSpec, Setup, ShapedSetup, Step } from './graph.js'
import { viewOf } from './inputs.js'
import { InstanceNodeContext } from './instance-node-context.js'
import { Scheduler } from './scheduler.js'
import { type Input, LONG_AGO, NEVER, type Series, SharedInput } from './series.js'
import type { SourceLoop, SourceLoopParts } from './source-loop.js'
import type { Timestamp } from './time.js'

/** What runs an instance inside its own turn: the node that made a sub-graph, for this one of its sub-graphs. */
export interface InstanceHost {
  /** The path that all instances of the node share. */
  readonly sharedPath: string
  /** The path of the node, with what tells its instances apart. */
  readonly path: string
  /** Something ticked in the instance: it has to run in this cycle. */
  wake(): void
  /** The instance wants to end after this cycle. */
  release(): void
}

/** A graph that is run: the one of a run, or a sub-graph inside it. It has its own schedule, and the engine's time and queue. */
export class Instance {
  readonly engine: Engine
  readonly host: InstanceHost | undefined
  readonly #graph: Graph
  readonly #program: Program
  readonly #scheduler: Scheduler
  #onStart: (() => void)[] = []
  readonly #onStop: (() => void)[] = []
  /** Of a sub-graph, the events that wait in the engine's queue: they are taken out with it. */
  #events: Set<ScheduledEvent> | undefined
  readonly #steps: Step[]
  /** Of a sub-graph, the events that its setups have scheduled for the present time. */
  readonly #initial: ScheduledEvent[] = []
  #isSettingUp = true
  #hasStopped = false

  constructor(engine: Engine, graph: Graph, host?: InstanceHost) {
    this.engine = engine
    this.host = host
    this.#graph = graph
    this.#program = compile(graph, engine.cycle)
    const { nodes, outputs, targets } = this.#program
    this.#steps = new Array(nodes.length).fill(neverRuns)
    // Functions are generated for the graph of the run only: sub-graphs are many, and each runs rarely.
    const compileAfter = host === undefined ? engine.compileAfter : Number.POSITIVE_INFINITY
    this.#scheduler = new Scheduler(
      engine.cycle,
      this.#steps,
      outputs,
      targets,
      compileAfter,
      () => {
        engine.agenda.isDisturbed = true
      },
    )
    engine.joined(this)
  }

  /** Where it stands in the run: the path of the node that made it; empty for the run's own graph. */
  get path(): string {
    return this.host?.path ?? ''
  }

  pathOf(node: number): string {
    const { path } = this.#specOf(node)
    return this.path === '' ? path : `${this.path}/${path}`
  }

  /** The path of a node without the keys that tell the instances of one graph apart. */
  sharedPathOf(node: number): string {
    const { path } = this.#specOf(node)
    return this.host === undefined ? path : `${this.host.sharedPath}[*]/${path}`
  }

  /** What ends the run when a node fails outside of its step; `undefined` when the run's policy is to go on. */
  failureOf(node: number, cause: unknown): GraphError | undefined {
    const spec = this.#specOf(node)
    const error = this.#failed(spec, cause)
    return this.engine.onNodeFailure(error, spec) === 'rethrow' ? error : undefined
  }

  /** Sets up all nodes. What a sub-graph schedules for the present time ticks in this cycle. */
  start(): void {
    try {
      this.#setUp()
      this.#isSettingUp = false
      for (const callback of this.#onStart) callback()
    } catch (error) {
      try {
        this.stop()
      } catch {
        // The error of the setup came first, and it is the one to report.
      }
      throw error
    }
    this.#onStart = []
    for (const event of this.#initial) this.engine.agenda.tickInCycle(event)
    this.#initial.length = 0
  }

  get hasStopped(): boolean {
    return this.#hasStopped
  }

  /** The run-time side of an edge; `undefined` when the edge was not needed and so is not run. */
  seriesOf<T>(edge: Edge<T>): Series<T> | undefined {
    return edge.graph === this.#graph
      ? (this.#program.seriesOf(edge) as Series<T> | undefined)
      : undefined
  }

  /** Ticks a series in the cycle that is being formed. For sources. */
  tick(series: Series, value: unknown): void {
    this.#scheduler.tick(series, value)
    if (this.host !== undefined) this.host.wake()
  }

  /** Ticks an output of the node that runs. */
  emit(series: Series, value: unknown): void {
    this.#scheduler.tick(series, value)
  }

  /** Makes a node run in this cycle, which is being formed. */
  mark(node: number): void {
    this.#scheduler.mark(node)
    if (this.host !== undefined) this.host.wake()
  }

  /** Generates a loop over the cycles of a source, see `generateSourceLoop`, where it may and where that gains something. */
  sourceLoop(event: ScheduledEvent, parts: SourceLoopParts): SourceLoop | undefined {
    if (this.host !== undefined || this.engine.profiler !== undefined) return undefined
    return this.#scheduler.sourceLoop(event, parts, (error) => this.#goOn(error))
  }

  /** Runs what has been ticked. A node that throws ends the run, unless the run's policy is to go on. */
  propagate(): void {
    try {
      this.#scheduler.run()
    } catch (error) {
      this.#goOn(error)
    }
  }

  /** After a node threw: runs the others, unless that ends the run. */
  #goOn(thrown: unknown): void {
    for (let error = thrown; ; ) {
      this.#nodeThrew(error)
      try {
        this.#scheduler.run()
        return
      } catch (next) {
        error = next
      }
    }
  }

  /** Schedules for the next cycle at the present time. */
  scheduleNext(event: ScheduledEvent): void {
    if (this.#isSettingUp && this.host !== undefined) this.#initial.push(event)
    else this.engine.agenda.scheduleNext(event)
  }

  schedule(event: ScheduledEvent, time: Timestamp): void {
    if (this.host === undefined) {
      this.engine.agenda.schedule(event, time)
    } else if (this.#isSettingUp && time === this.engine.now) {
      this.#initial.push(event)
    } else {
      this.engine.agenda.schedule(event, time)
      this.#events ??= new Set()
      this.#events.add(event)
    }
  }

  unschedule(event: ScheduledEvent): void {
    this.engine.agenda.unschedule(event)
    this.#events?.delete(event)
  }

  /** An event was applied and will not be again. */
  forget(event: ScheduledEvent): void {
    this.#events?.delete(event)
  }

  /** Ends the run after this cycle, or, of a sub-graph and if so asked, only the sub-graph. */
  stopAfterCycle(onlySubGraph: boolean): void {
    if (onlySubGraph && this.host !== undefined) this.host.release()
    else this.engine.requestStop()
  }

  /** Makes the series of an alarm of a node that is being set up. */
  alarmSeries(node: number): Series {
    if (!this.#isSettingUp) {
      throw new GraphError(
        'INVALID_OPTION',
        'an alarm is made in the setup of a node, not in its step',
      )
    }
    const series = this.#program.addSeries(node)
    this.#scheduler.targets = this.#program.targets
    return series
  }

  /** Makes ticks of an input run the node or not. */
  setActive(node: number, input: Input<unknown>, active: boolean): void {
    if (input instanceof SharedInput) {
      this.#scheduler.setActive(input.series, node, input.switchTo(active))
    } else {
      this.#scheduler.setActive(input as Series, node, active)
    }
  }

  /** Keeps cycle numbers small integers, which the JavaScript engine stores without allocating. */
  restartStamps(): void {
    const { outputs, others } = this.#program
    for (const each of [outputs, others]) {
      for (const series of each) if (series.stamp !== NEVER) series.stamp = LONG_AGO
    }
  }

  /** Calls back when all nodes have been set up. */
  onStart(callback: () => void): void {
    this.#onStart.push(callback)
  }

  /** Calls back when the instance stops, in the reverse order of registration. */
  onStop(callback: () => void): void {
    this.#onStop.push(callback)
  }

  /** Stops all nodes; the first error that a stop callback throws is thrown at the end. Does nothing the second time. */
  stop(): void {
    if (this.#hasStopped) return
    this.#hasStopped = true
    for (const event of this.#events ?? []) this.engine.agenda.unschedule(event)
    this.#events?.clear()
    let failure: { readonly error: unknown } | undefined
    for (let i = this.#onStop.length - 1; i >= 0; i--) {
      try {
        this.#onStop[i]?.()
      } catch (error) {
        failure ??= { error }
      }
    }
    this.engine.left(this)
    if (failure !== undefined) throw failure.error
  }

  #setUp(): void {
    const { nodes } = this.#program
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i] as NodeSpec
      try {
        const step = this.#setUpNode(node, i)
        if (step === undefined) continue
        if (typeof step === 'object') refusePromise(step, 'setup')
        this.#steps[i] = this.#measured(i, step)
      } catch (error) {
        throw this.#failed(node, error)
      }
    }
  }

  #specOf(node: number): NodeSpec {
    return this.#program.nodes[node] as NodeSpec
  }

  #measured(node: number, step: Step): Step {
    const { profiler } = this.engine
    if (profiler === undefined) return step
    return profiler.timedStep(this.sharedPathOf(node), this.#specOf(node).name, step)
  }

  #setUpNode({ shape, setup }: NodeSpec, number: number): Step | undefined {
    const inputs = this.#program.inputSeries(number)
    const context = new InstanceNodeContext(this, number)
    if (shape === undefined) {
      return (setup as Setup)(inputs, this.#program.outputSeries(number), context)
    }
    const view = viewOf(shape, inputs)
    return (setup as ShapedSetup)(view as never, context)
  }

  #nodeThrew(cause: unknown): void {
    const error = this.failureOf(this.#scheduler.current, cause)
    if (error !== undefined) throw error
  }

  #failed(node: NodeSpec, cause: unknown): GraphError {
    const path = this.path === '' ? node.path : `${this.path}/${node.path}`
    return nodeFailed(node.name, path, this.engine.now, cause)
  }
}

function neverRuns(): void {}
