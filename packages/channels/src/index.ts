export { AuditRecord, auditChannel } from './audit.js'
export type { Channels, EdgeOf, SettableOf } from './channels.js'
export {
  type BasketChannel,
  basket,
  type Channel,
  type ChannelDefinition,
  type ChannelOptions,
  type Contract,
  channel,
  type DynamicBasketChannel,
  defineChannels,
  dynamicBasket,
  extendChannels,
  type Field,
  field,
  type KeySource,
  type SchemaChannel,
  type StateOptions,
} from './contract.js'
export { DeadLetter, type DeadLetters, deadLetterChannel } from './dead-letters.js'
export { type ChannelDescription, type GatewayDescription, toDot } from './description.js'
export { ChannelsError, type ChannelsErrorCode, type ChannelsErrorDetails } from './errors.js'
export { Gateway } from './gateway.js'
export type {
  GatewayLimits,
  GatewayOptions,
  RunUntilOptions,
  SimulationOptions,
  SimulationResult,
} from './gateway-options.js'
export { type GatheredTick, GatheredTicks } from './gathered-ticks.js'
export type { HistoryLimits } from './history.js'
export { jsonProblemOf } from './json-problem.js'
export type {
  AnswerOf,
  BatchSend,
  ChannelInfo,
  ChannelTick,
  Health,
  KeptStaging,
  LastOptions,
  LiveChannels,
  LiveGateway,
  NextOptions,
  RecordFilter,
  ReleaseOptions,
  SendInput,
  SendOptions,
  SendReceipt,
  StageAnswer,
  StageOptions,
  Stagings,
  StateInfo,
  SubscribeOptions,
  Subscription,
  WaitOptions,
  Watch,
  WatchOptions,
} from './live.js'
export { consoleLogger, type Logger } from './logger.js'
export {
  defineModule,
  type ErrorPolicy,
  type Module,
  type ModuleMetric,
  type ModuleOptions,
} from './module.js'
export { originOf } from './origin.js'
export { planQuery, type QueryLimits, type QueryPlan } from './query.js'
export type { SharedChannels } from './shared-channels.js'
export type { StagingAction, StagingChange, StagingEvent, StagingRequest } from './staging.js'
export type { StateChange, StateRecord, StateView } from './state.js'
export {
  isStruct,
  type MakeInput,
  type Struct,
  type StructFields,
  type StructMembers,
  type StructOptions,
  struct,
} from './struct.js'
