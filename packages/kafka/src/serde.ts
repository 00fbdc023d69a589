import type { ReceivedRecord } from './kafka-client.js'

/** What is known of a tick beside its value. */
export interface TickContext {
  readonly channel: string
  readonly topic: string
  /** Engine time in milliseconds since the epoch. */
  readonly timeMs: number
}

/** Turns values into the texts or bytes of records, and back. A throw while reading makes the record a dead letter. */
export interface Serde {
  /** `json` is the value's JSON, made once for all who need it. */
  write(json: string, context: TickContext): string | Uint8Array
  read(bytes: Buffer, record: ReceivedRecord): unknown
}

/** The value as JSON: a struct is an object, a list channel's tick an array. */
export const json: Serde = {
  write: (text) => text,
  read: (bytes) => JSON.parse(bytes.toString()) as unknown,
}

/**
 * The reference's envelope with the engine's time: `{"encoding": "…", "csp_timestamp": 1704067200005}`, where `encoding` is
 * the JSON as a text and the time counts milliseconds since the epoch.
 */
export const envelope: Serde = {
  write: (text, { timeMs }) => `{"encoding":${JSON.stringify(text)},"csp_timestamp":${timeMs}}`,
  read: (bytes) => JSON.parse(openEnvelope(bytes).encoding) as unknown,
}

/** What something of the user's returned. @throws Error when it returned a promise: ticks and records stay in order, so nobody waits. */
export function atOnce<T>(value: T, name: string): T {
  if (!(value instanceof Promise)) return value
  value.catch(() => undefined)
  throw new Error(`the ${name} returned a promise: it has to return its result at once`)
}

/** The engine's time in an envelope, in milliseconds; `undefined` in anything else. */
export function envelopeTimeMs(bytes: Buffer): number | undefined {
  try {
    const { csp_timestamp: time } = openEnvelope(bytes)
    return typeof time === 'number' ? time : undefined
  } catch {
    return undefined
  }
}

function openEnvelope(bytes: Buffer): {
  readonly encoding: string
  readonly csp_timestamp?: unknown
} {
  const outer = JSON.parse(bytes.toString()) as { readonly encoding?: unknown }
  if (typeof outer?.encoding !== 'string') throw new Error('it has no text "encoding"')
  return outer as { readonly encoding: string }
}
