import { hours, type Timestamp, timestampOf } from '@gw/core'
import { stepsOf } from '@gw/protocol'
import { KafkaError } from './errors.js'
import type { ReceivedRecord } from './kafka-client.js'
import { shown } from './option-rules.js'
import { valueAt } from './publisher.js'
import { envelope, envelopeTimeMs, json, type Serde } from './serde.js'

interface EventTimeOptions {
  readonly eventTime?: 'record' | { readonly attribute: string }
  readonly serde?: Serde
}

/** Clocks of machines may differ so much: as brokers have it in `message.timestamp.after.max.ms` unless told otherwise. */
const AHEAD = hours(1)

/**
 * When a record happened: not after `present`, where that is given. `undefined` of one that cannot say: a tombstone has no
 * attributes, and what cannot be read is told elsewhere.
 * @throws KafkaError `INVALID_RECORD` with the record's place, when what it says is no time.
 */
export function eventTimeOf(
  record: ReceivedRecord,
  { eventTime = 'record', serde = json }: EventTimeOptions,
  present: Timestamp | undefined,
): Timestamp | undefined {
  if (eventTime === 'record') {
    const ms =
      serde === envelope && record.value !== null ? envelopeTimeMs(record.value) : undefined
    const time = Math.round((ms ?? record.timestampMs) * 1_000)
    // Brokers have -1 for none.
    if (time < 0) throw untimed(record, `it was written with ${ms ?? record.timestampMs}`)
    return bounded(record, time, present)
  }
  if (record.value === null) return undefined
  let value: unknown
  try {
    value = serde.read(record.value, record)
  } catch {
    return undefined
  }
  const said = valueAt(Array.isArray(value) ? value[0] : value, stepsOf(eventTime.attribute))
  const why = `${shown(eventTime.attribute)} is ${shown(said)}`
  if (typeof said === 'number') return bounded(record, said, present)
  if (typeof said !== 'string') throw untimed(record, why)
  let time: Timestamp
  try {
    time = timestampOf(said)
  } catch {
    throw untimed(record, why)
  }
  return bounded(record, time, present)
}

function bounded(
  record: ReceivedRecord,
  time: Timestamp,
  present: Timestamp | undefined,
): Timestamp {
  if (!Number.isSafeInteger(time)) {
    throw untimed(record, `${time} is not a whole number of microseconds before the year 2255`)
  }
  if (present === undefined || time <= present) return time
  if (time > present + AHEAD) {
    throw untimed(record, `${timeText(time)} is more than an hour from now`)
  }
  return present
}

function timeText(time: Timestamp): string {
  return new Date(time / 1_000).toISOString()
}

function untimed({ topic, partition, offset }: ReceivedRecord, why: string): KafkaError {
  return new KafkaError(
    'INVALID_RECORD',
    `record ${topic}/${partition}@${offset} has no time: ${why}; it ticks at the time that its partition had reached`,
    { topic, partition, offset },
  )
}
