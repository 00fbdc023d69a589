import type { ClientMessage, DeliveryMode, Filter, From, MessageId, Position } from '@gw/protocol'
import { WebServerError } from '../errors.js'
import { type JsonLimits, numbersIn, parseJsonText } from '../http/json.js'

const MAX_ID_LENGTH = 128
const MODES: ReadonlySet<unknown> = new Set(['nonCollapsing', 'lastValue', 'burst'])

/** A message as it came: an object, and the name by which its sender wants to hear of it. */
export interface RawMessage {
  readonly id: MessageId | undefined
  readonly members: Readonly<Record<string, unknown>>
}

/**
 * The object in a message; `undefined` for what is none, so cannot be answered.
 * @throws WebServerError for what is no JSON, or beyond the limits; {@link idIn} says whom to tell.
 */
export function rawMessage(text: string, limits: JsonLimits): RawMessage | undefined {
  const value = parseJsonText(text, limits)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const members = value as Readonly<Record<string, unknown>>
  return { id: idOf(members.id), members }
}

/** The id in a message that is refused, whatever its sender took for one; a number that ours cannot hold as it is written, in a text. */
export function idIn(text: string): MessageId | undefined {
  try {
    const { id } = JSON.parse(text) as { readonly id?: MessageId | null }
    return typeof id === 'number' && !isExact(id) ? writtenId(text) : (id ?? undefined)
  } catch {
    return undefined
  }
}

function idOf(value: unknown): MessageId | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && isExact(value)) return value
  if (typeof value === 'string' && value.length <= MAX_ID_LENGTH) return value
  throw bad(`id is a number up to 2^53, or a text of at most ${MAX_ID_LENGTH} characters`)
}

/** Beyond that an answer would have other digits than the message. */
function isExact(id: number): boolean {
  return Math.abs(id) <= Number.MAX_SAFE_INTEGER
}

/** Of members of one name the last one counts. */
function writtenId(text: string): string | undefined {
  let written: string | undefined
  for (const { path, literal } of numbersIn(text)) {
    if (path.length === 1 && path[0] === 'id') written = literal
  }
  return written
}

/**
 * The message that an object spells.
 * @throws WebServerError `BAD_REQUEST` with the member that is wrong.
 */
export function clientMessage({ id, members }: RawMessage): ClientMessage {
  const { action, data } = members
  const named = id === undefined ? {} : { id }
  switch (action) {
    case 'subscribe':
      return {
        action,
        ...named,
        ...edgeOf(members),
        ...optional('from', members.from, fromOf),
        ...optional('where', members.where, (where) => where as Filter),
        ...optional('select', members.select, selectOf),
        ...optional('mode', members.mode, modeOf),
        ...optional('positions', members.positions, positionsOf),
        ...optional('state', members.state, textOf('state')),
      }
    case 'unsubscribe':
      return { action, ...named, ...edgeOf(members) }
    case 'send':
      return {
        action,
        ...named,
        ...edgeOf(members),
        data,
        ...optional('messageId', members.messageId, textOf('messageId')),
        ...optional('expect', members.expect, positionOf),
      }
    case 'batch':
      if (id === undefined) throw bad('a batch has an id')
      return {
        action,
        id,
        sends: sendsOf(members.sends),
        ...optional('messageId', members.messageId, textOf('messageId')),
      }
    default:
      throw bad(`unknown action: use subscribe, unsubscribe, send or batch`)
  }
}

function edgeOf(members: Readonly<Record<string, unknown>>): { channel: string; key?: string } {
  const { channel, key } = members
  if (typeof channel !== 'string') throw bad('channel is the name of a channel')
  if (key === undefined || key === null) return { channel }
  if (typeof key !== 'string') throw bad('key is a text')
  return { channel, key }
}

function optional<Name extends string, T>(
  name: Name,
  value: unknown,
  read: (value: unknown) => T,
): { [N in Name]?: T } {
  return (value === undefined || value === null ? {} : { [name]: read(value) }) as {
    [N in Name]?: T
  }
}

function fromOf(value: unknown): From {
  if (value === 'now' || value === 'snapshot') return value
  if (typeof value === 'object' && value !== null) {
    if ('time' in value && typeof value.time === 'string') return { time: value.time }
    if ('epoch' in value) return positionOf(value)
  }
  throw bad('from is "now", "snapshot", {"epoch","offset"} or {"time"}')
}

function positionOf(value: unknown): Position {
  if (typeof value === 'object' && value !== null && 'epoch' in value && 'offset' in value) {
    const { epoch, offset } = value
    if (typeof epoch === 'string' && Number.isSafeInteger(offset) && Number(offset) >= 0) {
      return { epoch, offset: Number(offset) }
    }
  }
  throw bad('a position is {"epoch": text, "offset": whole number}')
}

function selectOf(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((path) => typeof path === 'string')) return value
  throw bad('select is a list of paths')
}

function modeOf(value: unknown): DeliveryMode {
  if (MODES.has(value)) return value as DeliveryMode
  throw bad('mode is "nonCollapsing", "lastValue" or "burst"')
}

function positionsOf(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw bad('positions is true or false')
}

function textOf(name: string): (value: unknown) => string {
  return (value) => {
    if (typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH) return value
    throw bad(`${name} is a text of 1 to ${MAX_ID_LENGTH} characters`)
  }
}

function sendsOf(value: unknown): readonly { channel: string; key?: string; data: unknown }[] {
  if (!Array.isArray(value)) throw bad('sends is a list of {"channel", "key"?, "data"}')
  return value.map((send: unknown) => {
    if (typeof send !== 'object' || send === null) throw bad('a send is an object')
    return { ...edgeOf(send as Record<string, unknown>), data: (send as { data?: unknown }).data }
  })
}

function bad(message: string): WebServerError {
  return new WebServerError('BAD_REQUEST', message)
}
