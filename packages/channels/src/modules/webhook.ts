import { isoOf, sink } from '@gw/core'
import { ChannelsError } from '../errors.js'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { entriesOf } from './entries.js'
import { Busy, Outbox, type Overflow, Refused } from './outbox.js'
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
 * logged.
 * @throws ChannelsError `INVALID_OPTION` when the URL is none.
 * @example `webhook({ url: 'https://chat.example/hook', select: ['alerts'], body: ({ data }) => JSON.stringify({ text: data }) })`
 */
export function webhook(options: WebhookOptions): Module {
  const { url, select, method = 'POST', timeoutMs = 5_000 } = options
  const { headers = { 'content-type': 'application/json' } } = options
  const { body = (message: WebhookMessage) => JSON.stringify(message) } = options
  const outbox = new Outbox<string>({
    name: `webhook ${originOf(url)}`,
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
        const response = await fetch(url, { method, headers, body: text as string, signal })
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

function originOf(url: string): string {
  try {
    return new URL(url).origin
  } catch (cause) {
    throw new ChannelsError(
      'INVALID_OPTION',
      `the url of a webhook is absolute, not ${JSON.stringify(url)}`,
      { cause },
    )
  }
}

function failureOf({ status, headers }: Response): Error {
  const message = `it answered ${status}`
  if (status !== 408 && status !== 429 && status < 500) return new Refused(message)
  const after = headers.get('retry-after') ?? ''
  const waitMs = /^\d+$/.test(after) ? Number(after) * 1_000 : Date.parse(after) - Date.now()
  return new Busy(message, waitMs > 0 ? waitMs : undefined)
}
