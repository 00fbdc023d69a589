import { isoOf, sink } from '@gw/core'
import { consoleLogger, type Logger } from '../logger.js'
import type { Module } from '../module.js'
import { Outbox, type Overflow, Refused } from './outbox.js'
import { type ChannelSelection, entriesOf, selectChannels } from './selection.js'

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
  /** Wait before the first retry; it doubles. @defaultValue 250 */
  readonly backoffMs?: number
  /** Messages that wait, at most. @defaultValue 1_000 */
  readonly maxPending?: number
  /** @defaultValue 'dropOldest' */
  readonly overflow?: Overflow
  readonly logger?: Logger
}

/** Posts each tick to a URL, one after the other, in order. What cannot be delivered is dropped, counted, and logged. */
export function webhook(options: WebhookOptions): Module {
  const { url, select, method = 'POST', timeoutMs = 5_000 } = options
  const { headers = { 'content-type': 'application/json' }, body = JSON.stringify } = options
  const outbox = new Outbox<string>({
    name: `webhook ${new URL(url).origin}`,
    maxPending: options.maxPending ?? 1_000,
    overflow: options.overflow ?? 'dropOldest',
    batch: 1,
    retries: options.retries ?? 5,
    backoffMs: options.backoffMs ?? 250,
    logger: options.logger ?? consoleLogger,
    deliver: async ([text]) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const response = await fetch(url, { method, headers, body: text as string, signal })
      await response.arrayBuffer()
      if (response.ok) return
      const message = `${url} answered ${response.status}`
      const isPassing = response.status === 408 || response.status === 429 || response.status >= 500
      throw isPassing ? new Error(message) : new Refused(message)
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
    flush: () => outbox.flush(),
  }
}
