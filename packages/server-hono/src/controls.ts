import { availableParallelism, freemem, hostname, loadavg, totalmem, userInfo } from 'node:os'
import { type Channels, ChannelsError, isStruct, type SendReceipt, type Struct } from '@gw/channels'
import { isoOf, type NodeContext, node, type PushSource, push, wallNow } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { z } from 'zod'
import { WebServerError } from './errors.js'
import type { ControlsOptions } from './options.js'
import type { PlainChannels } from './service.js'

/** Name of the channel on which controls tick. */
const CHANNEL = 'controls'
/** Controls that wait for the engine, at most. */
const MAX_PENDING = 1_000

/** A request to the gateway itself; with its answer, once it has been through the engine. */
interface Control {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly data: Readonly<Record<string, unknown>>
  readonly data_str: string
}

interface Request {
  readonly input: Readonly<Record<string, unknown>>
  /** Hands back the completed request, as it came in. */
  readonly accept: (sent: Control) => void
}

/**
 * The channel `controls`: what is sent to it is answered in the cycle that ticks it. A `heartbeat` gets the status `ok`,
 * `stats` the state of process and machine, anything else ticks as it came.
 */
export class Controls {
  readonly channel: typeof CHANNEL = CHANNEL
  /** Those that are served under `controls`, sorted. */
  readonly names: readonly string[]
  readonly #requests: PushSource<Request>
  #schema: Struct | undefined
  #channels: PlainChannels | undefined

  constructor(channels: Channels<AnyChannels>, names: readonly string[]) {
    this.names = names
    this.#requests = push<Request>(channels.graph, 'nonCollapsing', {
      name: 'controls',
      maxPending: MAX_PENDING,
    })
    const answered = node('answer', { request: this.#requests.edge }, ({ request }, context) => {
      return () => this.#answer(request.value, context)
    })
    channels.setChannel(CHANNEL as never, answered as never)
  }

  /**
   * Gets ready for the first request.
   * @throws WebServerError `INVALID_OPTION` when the channel does not hold structs.
   */
  start(channels: PlainChannels): void {
    const schema = channels.info.find(({ name }) => name === CHANNEL)?.recordSchema
    if (!isStruct(schema)) {
      throw new WebServerError(
        'INVALID_OPTION',
        'webServer: the option controls needs a channel controls that holds a struct with name, status, data and data_str',
      )
    }
    this.#schema = schema
    this.#channels = channels
  }

  /**
   * Sends requests; answers them as they came in, completed.
   * @throws ChannelsError `INVALID_RECORD` with all that is wrong.
   */
  async send(inputs: readonly unknown[]): Promise<SendReceipt<unknown>> {
    const channels = this.#channels as PlainChannels
    const parsed = this.#validate(inputs)
    const records = await Promise.all(
      parsed.map((input) => new Promise((accept) => this.#requests.push({ input, accept }))),
    )
    return { records, position: channels.positionOf(CHANNEL) }
  }

  #validate(inputs: readonly unknown[]): readonly Request['input'][] {
    const issues: z.core.$ZodIssue[] = []
    const parsed = inputs.map((input, index) => {
      const result = (this.#schema as Struct).safeParse(input, { reportInput: true })
      if (!result.success) {
        for (const issue of result.error.issues) {
          issues.push({ ...issue, path: [index, ...issue.path] })
        }
        return {}
      }
      // The engine mints what the sender has not given.
      const given = input as Readonly<Record<string, unknown>>
      const { id, timestamp, ...rest } = result.data
      return {
        ...rest,
        ...(given.id == null ? {} : { id }),
        ...(given.timestamp == null ? {} : { timestamp }),
      }
    })
    if (issues.length === 0) return parsed
    throw new ChannelsError('INVALID_RECORD', `"${CHANNEL}" does not take this`, {
      channel: CHANNEL,
      issues,
    })
  }

  #answer({ input, accept }: Request, context: NodeContext): Control {
    const control = (this.#schema as Struct).make(context, input) as unknown as Control
    accept(control)
    switch (control.name) {
      case 'heartbeat':
        return { ...control, status: 'ok' }
      case 'stats': {
        const data = stats(isoOf(context.now))
        return { ...control, status: 'ok', data, data_str: JSON.stringify(data) }
      }
      default:
        return control
    }
  }
}

/** The controls that the options ask for; `undefined` when that is none, or the contract has no such channel. */
export function connectControls(
  channels: Channels<AnyChannels>,
  options: Required<ControlsOptions>,
): Controls | undefined {
  const names = (['heartbeat', 'shutdown', 'stats'] as const).filter((name) => options[name])
  const hasChannel = (channels.names as readonly string[]).includes(CHANNEL)
  return names.length === 0 || !hasChannel ? undefined : new Controls(channels, names)
}

/** The process and the machine, under the names that the reference gives them. */
function stats(engineNow: string): Readonly<Record<string, unknown>> {
  return {
    cpu: percent((loadavg()[0] ?? 0) / availableParallelism()),
    memory: percent(process.memoryUsage.rss() / totalmem()),
    'memory-total': percent(freemem() / totalmem()),
    pid: process.pid,
    active_threads: process.getActiveResourcesInfo().length,
    max_threads: 'unlimited',
    now: isoOf(wallNow()),
    'csp-now': engineNow,
    host: hostname(),
    user: userName(),
  }
}

function percent(share: number): number {
  return Math.round(share * 10_000) / 100
}

/** The system may know no name for the user. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '')
  }
}
