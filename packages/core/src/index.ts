export {
  type Adapter,
  type AdapterContext,
  type AdapterOptions,
  type AdapterStatus,
  adapter,
  type StatusLevel,
  type StopAdapter,
} from './adapter.js'
export {
  type BasketOutput,
  type BasketView,
  basketNode,
  carriesBasket,
  type DynamicBasket,
} from './basket.js'
export {
  type Clock,
  type ManualClock,
  manualClock,
  type WallClockOptions,
  wallClock,
} from './clock.js'
export type { Cursor, Rows } from './cursor.js'
export {
  type DescribedEdge,
  type DescribedNode,
  type DescribeOptions,
  describe,
  type GraphDescription,
  type NodeKind,
} from './describe.js'
export { type DrawOptions, toDot, toMermaid } from './draw.js'
export {
  type DynamicInputs,
  dynamic,
  dynamicOutputs,
  type Snap,
  type SubGraph,
  type SubGraphInputs,
  snap,
} from './dynamic.js'
export type { NodeFailureAction, RunProgress } from './engine-options.js'
export { GraphError, type GraphErrorCode, type GraphErrorDetails } from './errors.js'
export { type Feedback, feedback } from './feedback.js'
export { type DelayedEdge, delayedEdge, dependsOn, Edge, Graph } from './graph.js'
export { type History, type HistoryStart, history } from './history.js'
export type {
  InputDeclaration,
  InputDeclarations,
  InputOf,
  InputsOf,
  Passive,
} from './inputs.js'
export { memoize } from './memoize.js'
export { type EdgesOf, multiNode, node, passive, sink, ticked, valid } from './node.js'
export type { Alarm, AlarmHandle, NodeContext, Output } from './node-context.js'
export { add, div, floordiv, max, min, mod, mul, pow, sub } from './operators/arithmetic.js'
export type { Operand } from './operators/binary.js'
export { dynamicCast, staticCast } from './operators/cast.js'
export { collect, flatten, unroll } from './operators/collect.js'
export { eq, ge, gt, le, lt, ne } from './operators/comparison.js'
export { accum, count } from './operators/count.js'
export { delay } from './operators/delay.js'
export {
  type DelayedCollect,
  type DelayedDemultiplex,
  delayedCollect,
  delayedDemultiplex,
} from './operators/delayed-collect.js'
export { diff } from './operators/diff.js'
export { type DropDupsOptions, dropDups, dropNans } from './operators/drop-dups.js'
export { dynamicCollect, dynamicDemultiplex } from './operators/dynamic-demultiplex.js'
export { filter, split } from './operators/filter.js'
export { firstN } from './operators/first-n.js'
export { type GateOptions, gate } from './operators/gate.js'
export { and, not, or } from './operators/logic.js'
export { map } from './operators/map.js'
export { type MapAsyncOptions, mapAsync } from './operators/map-async.js'
export {
  abs,
  arccos,
  arccosh,
  arcsin,
  arcsinh,
  arctan,
  arctanh,
  bitwiseNot,
  cos,
  cosh,
  erf,
  exp,
  exp2,
  ln,
  log2,
  log10,
  neg,
  pos,
  sin,
  sinh,
  sqrt,
  tan,
  tanh,
} from './operators/math.js'
export { merge, withDefault } from './operators/merge.js'
export {
  type DemultiplexOptions,
  demultiplex,
  type MultiplexOptions,
  multiplex,
} from './operators/multiplex.js'
export { type Logger, type LogLevel, log, type Printable, print } from './operators/print.js'
export { sample } from './operators/sample.js'
export {
  type StopEngineOptions,
  scheduleOnEngineStop,
  stopEngine,
} from './operators/stop-engine.js'
export {
  type FieldEdges,
  getBasketField,
  type StructFromTsOptions,
  structCollectTs,
  structField,
  structFromTs,
} from './operators/struct.js'
export { type SameShape, type SyncOptions, sampleBasket, sync } from './operators/sync.js'
export { times, timesNs } from './operators/times.js'
export { wrapFeedback } from './operators/wrap-feedback.js'
export { type GraphOutputOptions, type GraphOutputs, graphOutput, type Tick } from './outputs.js'
export { type CycleProfile, type NodeProfile, type ProfileReport, Profiler } from './profiler.js'
export { type CurveOptions, type CurveTick, curve, type PullOptions, pull } from './pull.js'
export {
  batch,
  type PushGroup,
  type PushMode,
  type PushOptions,
  type PushSource,
  push,
  pushGroup,
} from './push.js'
export { type RealtimeOptions, type Run, realtime } from './realtime.js'
export type { Input } from './series.js'
export {
  END_OF_TIME,
  type RunOptions,
  type RunResult,
  type SimulateAsyncOptions,
  type SimulateOptions,
  simulate,
  simulateAsync,
} from './simulate.js'
export { constant, empty, source, type TimerOptions, timer } from './sources.js'
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
