import { cpus, freemem, hostname, totalmem, userInfo } from 'node:os'
import type { Channels } from '@gw/channels'
import { type Edge, isoOf, node, wallNow } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import type { ControlsOptions } from './options.js'

/** Name of the channel on which controls tick. */
const CHANNEL = 'controls'

/** A request to the gateway itself; with its answer, once it has been through the engine. */
interface Control {
  readonly name: string
  readonly status: string
  readonly data: Readonly<Record<string, unknown>>
  readonly data_str: string
}

/** The controls that a server serves. */
export interface Controls {
  readonly channel: string
  /** Sorted. */
  readonly names: readonly string[]
}

/**
 * Opens the channel `controls` to the outside: what is sent is answered in the cycle that ticks it. A `heartbeat` gets the
 * status `ok`, `stats` the state of process and machine, where they are served; anything else ticks as it came. Nothing is opened when no control
 * is served, or the contract has no such channel.
 */
export function connectControls(
  channels: Channels<AnyChannels>,
  options: Required<ControlsOptions>,
): Controls | undefined {
  const names = (['heartbeat', 'shutdown', 'stats'] as const).filter((name) => options[name])
  const hasChannel = (channels.names as readonly string[]).includes(CHANNEL)
  if (names.length === 0 || !hasChannel) return undefined
  const through = (sent: Edge<Control>): Edge<Control> =>
    node('controls', { sent }, (inputs, context) => {
      const cpu = new CpuMeter()
      return () => {
        const { value } = inputs.sent
        const isServed = (names as readonly string[]).includes(value.name)
        return isServed ? answer(value, context.now, cpu) : value
      }
    })
  channels.addSendChannel(CHANNEL as never, undefined, through as never)
  return { channel: CHANNEL, names }
}

function answer(control: Control, now: number, cpu: CpuMeter): Control {
  switch (control.name) {
    case 'heartbeat':
      return { ...control, status: 'ok' }
    case 'stats': {
      const data = stats(isoOf(now), cpu)
      return { ...control, status: 'ok', data, data_str: JSON.stringify(data) }
    }
    default:
      return control
  }
}

/** The process and the machine, under the names that the reference gives them. */
function stats(engineNow: string, cpu: CpuMeter): Readonly<Record<string, unknown>> {
  return {
    cpu: percent(cpu.share()),
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

/** How busy the machine's processors were since the last question. */
class CpuMeter {
  #last = times()

  share(): number {
    const before = this.#last
    const now = times()
    this.#last = now
    const total = now.total - before.total
    return total === 0 ? 0 : (now.busy - before.busy) / total
  }
}

function times(): { readonly busy: number; readonly total: number } {
  let busy = 0
  let idle = 0
  for (const { times } of cpus()) {
    busy += times.user + times.nice + times.sys + times.irq
    idle += times.idle
  }
  return { busy, total: busy + idle }
}
