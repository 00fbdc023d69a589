export {
  type BasketOutput,
  type BasketView,
  basketNode,
  type DynamicBasket,
} from './basket.js'
export {
  type Clock,
  type ManualClock,
  manualClock,
  type WallClockOptions,
  wallClock,
} from './clock.js'
export type { NodeFailureAction } from './engine.js'
export { GraphError, type GraphErrorCode, type GraphErrorDetails } from './errors.js'
export { type Feedback, feedback } from './feedback.js'
export { type DelayedEdge, delayedEdge, dependsOn, Edge, Graph } from './graph.js'
export {
  type EdgesOf,
  type InputDeclaration,
  type InputDeclarations,
  type InputOf,
  type InputsOf,
  multiNode,
  node,
  type Passive,
  passive,
  sink,
  ticked,
  valid,
} from './node.js'
export type { Alarm, AlarmHandle, NodeContext, Output } from './node-context.js'
export { collect, flatten, unroll } from './operators/collect.js'
export { accum, count } from './operators/count.js'
export { delay } from './operators/delay.js'
export { diff } from './operators/diff.js'
export { type DropDupsOptions, dropDups, dropNans } from './operators/drop-dups.js'
export { dynamicCollect, dynamicDemultiplex } from './operators/dynamic-demultiplex.js'
export { filter, split } from './operators/filter.js'
export { firstN } from './operators/first-n.js'
export { type GateOptions, gate } from './operators/gate.js'
export { map } from './operators/map.js'
export { merge, withDefault } from './operators/merge.js'
export {
  type DemultiplexOptions,
  demultiplex,
  type MultiplexOptions,
  multiplex,
} from './operators/multiplex.js'
export { sample } from './operators/sample.js'
export { type GraphOutputs, graphOutput, type Tick } from './outputs.js'
export { type RealtimeOptions, type Run, realtime } from './realtime.js'
export type { Input } from './series.js'
export {
  END_OF_TIME,
  type RunResult,
  type SimulateAsyncOptions,
  type SimulateOptions,
  simulate,
  simulateAsync,
} from './simulate.js'
export {
  type Cursor,
  type CurveOptions,
  type CurveTick,
  constant,
  curve,
  empty,
  type PushMode,
  type PushOptions,
  type PushSource,
  pull,
  push,
  source,
  timer,
} from './sources.js'
export { type Span, Ticks, ticks } from './span.js'
export * as stats from './stats/index.js'
export {
  type Duration,
  days,
  hours,
  isoOf,
  micros,
  minutes,
  ms,
  seconds,
  type Timestamp,
  timestampOf,
  wallNow,
} from './time.js'
