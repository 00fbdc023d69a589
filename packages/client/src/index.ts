export type { BackoffOptions } from './backoff.js'
export type { BufferOptions } from './buffer.js'
export type {
  BasketReads,
  BasketSends,
  BatchSend,
  ChannelClient,
  ChannelReads,
  ChannelSends,
  FieldClient,
  LastOptions,
  OnError,
  QueryOptions,
  SendOptions,
  SendReceipt,
  StageCalls,
  Stagings,
  StateCalls,
  StateReads,
  Typed,
} from './channel-types.js'
export type { ClientConnection, ConnectionOptions, ConnectionState } from './connection.js'
export {
  type Client,
  type ClientCalls,
  type ClientOptions,
  createClient,
} from './create-client.js'
export type { CallOptions } from './deadline.js'
export {
  GatewayClientError,
  type GatewayClientErrorCode,
  type GatewayClientErrorDetails,
  type RequestInfo,
} from './errors.js'
export type {
  DataEvent,
  GapEvent,
  RemovedEvent,
  SnapshotEndEvent,
  SnapshotStartEvent,
  SubscriptionEvent,
} from './events.js'
export type {
  BatchOptions,
  ControlAnswer,
  GatewayCalls,
  OpenApiDocument,
} from './gateway-calls.js'
export type { Delivered, ElementOf, PathOf, ProjectedValue, Projection } from './projection.js'
export type { ApiKey, Fetch } from './rest.js'
export type { SessionOptions } from './session.js'
export type {
  KeyedValue,
  SubscribeOptions,
  Subscription,
  Watch,
  WatchOptions,
} from './subscription.js'
export type { WebSocketConstructor, WebSocketLike } from './websocket.js'
