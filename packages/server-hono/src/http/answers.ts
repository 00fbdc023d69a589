import { createHash } from 'node:crypto'
import {
  type ChannelInfo,
  ChannelsError,
  type ChannelTick,
  type SendOptions,
  type SendReceipt,
} from '@gw/channels'
import type { ChannelKind, Identity, Position } from '@gw/protocol'
import type { z } from 'zod'
import { WebServerError } from '../errors.js'
import { isPart } from '../rows/rows.js'
import type { Service } from '../service.js'
import { requireScope, requireSend } from './identity.js'
import { alternatives, invalid, itemsOf, type ValidationItem } from './validation.js'

/** A channel, or one key of a basket, that a request names. */
export interface Target {
  readonly info: ChannelInfo
  readonly key: string | undefined
}

/** A good answer: JSON, with what its headers tell of it. */
export interface Answer {
  readonly body: string
  readonly kind?: ChannelKind
  readonly position?: Position
  readonly etag?: string
}

/** How a whole basket is answered: as an array without keys, or as an object by key. */
export type BasketForm = 'array' | 'keys'

/** What ticked last. A dynamic basket has only the keys that live. */
export function lastAnswer(
  service: Service,
  target: Target,
  identity: Identity,
  form: BasketForm = 'array',
): Answer {
  const { info, key } = target
  requireScope(identity, 'read', info.name, key)
  const ticks = service.access.channelsFor(identity).lastTicks(info.name, key)
  if (info.dynamic && key !== undefined && ticks.length === 0) {
    throw notFound(info, key, 'UNKNOWN_KEY')
  }
  return tickAnswer(service, target, identity, form, ticks)
}

/** The answer that ticks make, which an identity sees. */
export function tickAnswer(
  service: Service,
  { info, key }: Target,
  identity: Identity,
  form: BasketForm,
  ticks: readonly ChannelTick[],
): Answer {
  if (info.kind !== 'basket' || key !== undefined) {
    const [tick] = ticks
    const kind = kindOf({ info, key })
    if (tick === undefined) {
      const { epoch, offset } = service.channels.positionOf(info.name, key)
      // Where rows are hidden, what has ticked unseen must not show by an answer that changes.
      const isHidden = service.access.rowsOf(identity)?.isFiltered === true
      return answerAt({ epoch, offset: isHidden ? 0 : offset }, '[]', kind)
    }
    let answer = ANSWERS.get(tick)
    if (answer === undefined) {
      answer = answerAt(tick.position, tick.json, kind)
      // Of one tick there are as many parts as identities, and a rule may change its mind.
      if (isPart(tick)) answer = { ...answer, etag: etagOf(tick.json) }
      ANSWERS.set(tick, answer)
    }
    return answer
  }
  const body = form === 'keys' ? recordsByKey(ticks) : records(ticks)
  return {
    body,
    kind: 'basket',
    position: service.channels.positionOf(info.name),
    etag: etagOf(body),
  }
}

function etagOf(body: string): string {
  return `"${createHash('sha1').update(body).digest('base64url')}"`
}

/** What is answered of a channel, or of one key of a basket. */
export function kindOf({ info, key }: Target): ChannelKind {
  return key === undefined ? info.kind : 'single'
}

/** The answer that a tick makes: one for all who ask. */
const ANSWERS = new WeakMap<ChannelTick, Answer>()

function answerAt(position: Position, body: string, kind: ChannelKind): Answer {
  return { body, kind, position, etag: `"${position.epoch}:${position.offset}"` }
}

function records(ticks: readonly ChannelTick[]): string {
  return `[${ticks
    .map((tick) => tick.json.slice(1, -1))
    .filter((text) => text !== '')
    .join(',')}]`
}

function recordsByKey(ticks: readonly ChannelTick[]): string {
  return `{${ticks
    .map((tick) => `${JSON.stringify(tick.key)}:${tick.json.slice(1, -1)}`)
    .join(',')}}`
}

/** Sends what a body holds: a record, several, or of a whole basket records by key. Answers when the engine has taken it. */
export async function sendAnswer(
  service: Service,
  target: Target,
  identity: Identity,
  body: unknown,
  options: SendOptions = {},
): Promise<Answer> {
  const { records, position } = await send(service, target, identity, body, options)
  return { body: sentJson(service, target, records), kind: kindOf(target), position }
}

/** As {@link sendAnswer}, answering the completed records. */
export async function send(
  service: Service,
  target: Target,
  identity: Identity,
  body: unknown,
  options: SendOptions,
): Promise<SendReceipt<unknown>> {
  const { info, key } = target
  requireSend(service, identity, info.name, key)
  const channels = service.access.channelsFor(identity)
  const withOrigin = {
    ...options,
    origin: identity.name,
    timeoutMs: service.settings.limits.requestTimeoutMs,
  }
  try {
    if (info.kind === 'basket' && key === undefined) {
      const inputs = basketInputs(service, info, body)
      for (const each of Object.keys(inputs)) requireScope(identity, 'send', info.name, each)
      return await channels.sendBasketAndWait(info.name, inputs, withOrigin)
    }
    checkKey(target)
    const inputs = Array.isArray(body) ? body : [body]
    return await channels.sendAllAndWait(info.name, inputs, key, withOrigin)
  } catch (error) {
    throw explained(target, body, error)
  }
}

/** The records of a send as JSON; a record that ticks as it is was serialised with its tick, or will be. */
function sentJson(service: Service, { info, key }: Target, sent: readonly unknown[]): string {
  if (sent.length === 1 && (info.kind === 'single' || key !== undefined)) {
    const [tick] = service.channels.lastTicks(info.name, key)
    if (tick !== undefined && tick.value === sent[0]) return tick.json
  }
  return JSON.stringify(sent)
}

function basketInputs(
  service: Service,
  info: ChannelInfo,
  body: unknown,
): { readonly [key: string]: unknown } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid('INVALID_RECORD', [
      {
        type: 'dict_type',
        loc: ['body'],
        msg: 'Input should be a valid dictionary',
        input: body,
      },
    ])
  }
  const keys = service.served.keysOf(info)
  for (const key of Object.keys(body)) {
    if (!info.dynamic && !keys.includes(key)) throw unknownKey(info, ['body', key], key)
  }
  return body as { readonly [key: string]: unknown }
}

function checkKey({ info, key }: Target): void {
  if (key === undefined || info.kind !== 'basket' || !info.sendable || info.dynamic) return
  if (!info.keys.includes(key)) throw unknownKey(info, ['path', 'key'], key)
}

/** The reference refuses a wrong key of a send as it refuses a wrong body. */
function unknownKey(
  info: ChannelInfo,
  loc: readonly (string | number)[],
  key: string,
): WebServerError {
  const expected = alternatives(info.keys.slice(0, 20).map((each) => `'${each}'`))
  return invalid('INVALID_RECORD', [
    { type: 'enum', loc, msg: `Input should be ${expected}`, input: key, ctx: { expected } },
  ])
}

function explained({ info, key }: Target, body: unknown, error: unknown): unknown {
  if (!(error instanceof ChannelsError)) return error
  if (error.code === 'INVALID_RECORD')
    return invalidRecords(info, key, body, error.issues ?? [], error.message)
  if (error.code === 'NOT_SENDABLE' || error.code === 'UNKNOWN_KEY') {
    return notFound(info, key, error.code)
  }
  return error
}

/** The refusal of a channel without what was asked of it, in the words of the reference. */
export function notFound(
  info: ChannelInfo,
  key: string | undefined,
  code: 'NOT_SENDABLE' | 'UNKNOWN_KEY' | 'NO_PROVIDER',
): WebServerError {
  const name = key === undefined ? info.name : `${info.name}/${key}`
  return new WebServerError(code, `Channel not found: ${name}`)
}

/**
 * What is wrong with the records, in the form of the reference: a body may be read as a list or as one record, so an
 * item for the reading that was not meant stands beside the real ones.
 */
export function invalidRecords(
  info: ChannelInfo,
  key: string | undefined,
  body: unknown,
  issues: readonly z.core.$ZodIssue[],
  message: string,
): WebServerError {
  const typeName = typeNameOf(info.recordSchema)
  if (info.kind === 'basket' && key === undefined) {
    return invalid('INVALID_RECORD', itemsOf(issues, info.recordSchema, ['body'], 1))
  }
  const isList = Array.isArray(body)
  const ownPrefix = isList ? ['body', `list[${typeName}]`] : ['body', typeName]
  // The path begins with the number of the record, which one record by itself does not have.
  const own = isList
    ? itemsOf(issues, info.recordSchema, ownPrefix, 1)
    : itemsOf(
        issues.map((issue) => ({ ...issue, path: issue.path.slice(1) })),
        info.recordSchema,
        ownPrefix,
        0,
      )
  if (own.length === 0) {
    const msg = `Value error, ${message}`
    own.push({ type: 'value_error', loc: ownPrefix, msg, input: body, ctx: { error: {} } })
  }
  const other: ValidationItem = isList
    ? {
        type: 'model_attributes_type',
        loc: ['body', typeName],
        msg: 'Input should be a valid dictionary or object to extract fields from',
        input: body,
      }
    : {
        type: 'list_type',
        loc: ['body', `list[${typeName}]`],
        msg: 'Input should be a valid list',
        input: body,
      }
  return invalid(
    'INVALID_RECORD',
    isList ? [...own, other] : [other, ...own],
    own.map((item) => ({ ...item, loc: ['body', ...item.loc.slice(2)] })),
  )
}

/** Name of a record's schema: the struct's, else what it is. */
export function typeNameOf(schema: z.ZodType): string {
  return (schema as { readonly structName?: string }).structName ?? schema.def.type
}
