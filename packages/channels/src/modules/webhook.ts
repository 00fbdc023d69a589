import { isoOf, sink } from '@gw/core'
import { ChannelsError } from '../errors.js'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { shown } from '../shown.js'
import { COUNT, checkModuleOptions, FUNCTION, required, TEXT } from './check-options.js'
import { entriesOf } from './entries.js'
import { Busy, OUTBOX_OPTIONS, Outbox, type Overflow, Refused } from './outbox.js'
import { type ChannelSelection, selectChannels } from './selection.js'

/** What a webhook is told of one tick. */
export interface WebhookMessage {
  readonly channel: string
  readonly key?: string
  /** Engine time, ISO 8601. */
  readonly time: string
  readonly data: unknown
}

/** Options of {@link webhook}. */
export interface WebhookOptions {
  readonly url: string
  /** @defaultValue all channels */
  readonly select?: ChannelSelection
  /** The body of the request; `undefined` sends nothing. @defaultValue the message as JSON */
  readonly body?: (message: WebhookMessage) => string | undefined
  /** @defaultValue `content-type: application/json` */
  readonly headers?: Readonly<Record<string, string>>
  /** @defaultValue 'POST' */
  readonly method?: string
  /** How long one request may take. @defaultValue 5_000 */
  readonly timeoutMs?: number
  /** Tries after the first one: on network errors, time-outs, and the statuses 408, 429 and from 500 on. @defaultValue 5 */
  readonly retries?: number
  /** Wait before the first retry, unless the answer has `retry-after`; it doubles. @defaultValue 250 */
  readonly backoffMs?: number
  /** Messages that wait, at most. @defaultValue 1_000 */
  readonly maxPending?: number
  /** What happens beyond it: the oldest messages go, or an error of the module. @defaultValue 'dropOldest' */
  readonly overflow?: Overflow
  readonly logger?: Logger
}

/**
 * Posts each tick to a URL, of a basket each key, one after the other, in order. What cannot be delivered is dropped, counted, and
 * logged; so is what is answered with a redirection.
 * @throws ChannelsError `INVALID_OPTION` when no request can be made of the URL, method and headers.
 * @example `webhook({ url: 'https://chat.example/hook', select: ['alerts'], body: ({ data }) => JSON.stringify({ text: data }) })`
 */
export function webhook(options: WebhookOptions): Module {
  checkModuleOptions('webhook', options, {
    url: required(TEXT),
    body: FUNCTION,
    timeoutMs: COUNT,
    ...OUTBOX_OPTIONS,
  })
  const { url, select, method = 'POST', timeoutMs = 5_000 } = options
  const { headers = { 'content-type': 'application/json' } } = options
  const { body = (message: WebhookMessage) => JSON.stringify(message) } = options
  const outbox = new Outbox<string>({
    name: `webhook ${originOf(url, method, headers)}`,
    maxPending: options.maxPending ?? 1_000,
    overflow: options.overflow ?? 'dropOldest',
    batch: 1,
    retries: options.retries ?? 5,
    backoffMs: options.backoffMs ?? 250,
    logger: options.logger ?? consoleLogger,
    deliver: async ([text], closing) => {
      const late = new AbortController()
      const timer = setTimeout(
        () => late.abort(new Error(`no answer in ${timeoutMs} ms`)),
        timeoutMs,
      )
      try {
        // Not `AbortSignal.timeout`: one that only `any` listens to is collected before its time, and then never aborts.
        const signal = AbortSignal.any([late.signal, closing])
        const response = await fetch(url, {
          method,
          headers,
          body: text as string,
          signal,
          // Following one would turn the request into a GET without a body, or tell another host.
          redirect: 'manual',
        })
        await response.body?.cancel()
        if (!response.ok) throw failureOf(response)
      } finally {
        clearTimeout(timer)
      }
    },
  })
  return {
    name: 'webhook',
    requires: [],
    connect(c) {
      for (const channel of selectChannels(c, select)) {
        sink(
          `post ${channel}`,
          { entries: entriesOf(c, channel) },
          ({ entries }, context) =>
            () => {
              for (const { key, value, removed } of entries.value) {
                if (removed === true) continue
                const text = body({
                  channel,
                  ...(key === undefined ? {} : { key }),
                  time: isoOf(context.now),
                  data: value,
                })
                if (text !== undefined) outbox.add(text)
              }
            },
        )
      }
    },
    flush: (signal) => outbox.flush(signal),
  }
}

/** Finds out at once what no request could be made of. @throws ChannelsError `INVALID_OPTION`. */
function originOf(url: string, method: string, headers: WebhookOptions['headers']): string {
  const refuse = (what: string, cause?: unknown): ChannelsError =>
    new ChannelsError('INVALID_OPTION', `webhook: ${what}`, cause === undefined ? {} : { cause })
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (cause) {
    throw refuse(`the url is absolute, not ${shown(url)}`, cause)
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw refuse(`the url begins with http: or https:, not with ${parsed.protocol}`)
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw refuse('the url has no user or password in it: give them as a header, authorization')
  }
  try {
    new Request(url, { method, headers: headers as Record<string, string>, body: '' })
  } catch (cause) {
    throw refuse(
      `no request can be made: ${cause instanceof Error ? cause.message : shown(cause)}`,
      cause,
    )
  }
  return parsed.origin
}

function failureOf({ status, headers }: Response): Error {
  const place = status >= 300 && status < 400 ? ', another place: give its url' : ''
  const message = `it answered ${status}${place}`
  if (status !== 408 && status !== 429 && status < 500) return new Refused(message)
  const after = headers.get('retry-after') ?? ''
  const waitMs = /^\d+$/.test(after) ? Number(after) * 1_000 : Date.parse(after) - Date.now()
  return new Busy(message, waitMs > 0 ? waitMs : undefined)
}
