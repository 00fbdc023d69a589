export { type AddToOutputOptions, addToOutput } from './add-to-output.js'
export { type FileDropOptions, fileDrop } from './file-drop.js'
export type { FileFormat, FileReader } from './file-formats.js'
export { type GraphDescriptionOptions, graphDescription } from './graph-description.js'
export { Heartbeat, type HeartbeatOptions, heartbeat } from './heartbeat.js'
export {
  type InitializeOptions,
  type InitialOf,
  initialize,
  initializeAll,
} from './initialize.js'
export { type JsonLinesReplayerOptions, jsonLinesReplayer } from './json-lines-replayer.js'
export { type JsonLinesWriterOptions, jsonLinesWriter } from './json-lines-writer.js'
export { type LogOptions, log } from './log.js'
export { type MirrorOptions, mirror } from './mirror.js'
export type { Overflow } from './outbox.js'
export { type PrintOptions, print } from './print.js'
export type { RecordedCycle, RecordedTicks } from './recorded-cycles.js'
export type { ChannelSelection } from './selection.js'
export { type SqlConnection, type SqlSinkOptions, sqlSink } from './sql-sink.js'
export type { SqlTable } from './sql-table.js'
export { Stats, type StatsOptions, stats } from './stats.js'
export { type WebhookMessage, type WebhookOptions, webhook } from './webhook.js'
