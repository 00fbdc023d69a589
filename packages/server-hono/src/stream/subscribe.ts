import type { ChannelInfo, StateInfo } from '@gw/channels'
import {
  type DeliveryMode,
  type Filter,
  type From,
  type Identity,
  isAllowed,
  type Position,
} from '@gw/protocol'
import { WebServerError } from '../errors.js'
import { notFound } from '../http/answers.js'
import { requireScope } from '../http/identity.js'
import type { Service } from '../service.js'
import type { Feed } from './feed.js'
import { Line } from './line.js'
import { Outbox } from './outbox.js'
import { viewOf } from './view.js'
import type { Wire } from './wire.js'

/** What a subscription asks for. */
export interface SubscriptionRequest {
  readonly channel: string
  readonly key: string | undefined
  readonly from: From
  readonly where: Filter | undefined
  readonly select: readonly string[] | undefined
  /** Name of a state of the channel, of which changes that do not tick are told too. */
  readonly state?: string | undefined
}

/** A subscription that can be made: its feed, and what comes first. */
export interface Opening {
  readonly info: ChannelInfo
  readonly feed: Feed
  readonly position: Position
  readonly recovered: boolean
  /** What comes before the live ticks, in a wire and mode, as pieces of bytes. */
  before(wire: Wire, mode: DeliveryMode): Generator<Buffer>
}

/**
 * Has the ticks of a channel come in that happen on other gateways: to be awaited before they are read or watched. `undefined`
 * where nothing is to be awaited, or nothing may be read.
 */
export function hearChannel(
  { channels, served }: Service,
  identity: Identity,
  channel: string,
  key: string | undefined,
): Promise<void> | undefined {
  if (channels.hear === undefined || served.channels.exactly(channel) === undefined)
    return undefined
  return isAllowed(identity, 'read', channel, key) ? channels.hear(channel) : undefined
}

/**
 * Looks up what a subscription asks for.
 * @throws WebServerError or ChannelsError when there is no such channel or key, or the identity may not read it.
 */
export function openSubscription(
  service: Service,
  identity: Identity,
  request: SubscriptionRequest,
): Opening {
  const { served, hub } = service
  const { key } = request
  const info = served.channels.exactly(request.channel)
  if (info === undefined) {
    throw new WebServerError('UNKNOWN_CHANNEL', `no channel is named ${request.channel}`)
  }
  if (key !== undefined) {
    if (info.kind !== 'basket') {
      throw new WebServerError('UNKNOWN_KEY', `${info.name} is no basket, so it has no keys`)
    }
    if (!info.dynamic && !info.keys.includes(key)) throw notFound(info, key, 'UNKNOWN_KEY')
  }
  requireScope(identity, 'read', info.name, key)
  // Who sees the same shares its bytes.
  const { access } = service
  const rows = access.seesAllOf(info, key) ? undefined : access.rowsOf(identity)
  const view = viewOf(info, key, rows, request.where, request.select)
  const state = request.state === undefined ? undefined : stateOf(service, info, request.state)
  const feed = hub.feed(info.name, key, info.kind === 'basket', view, state && { state, rows })
  const beginning = feed.beginning(request.from)
  return {
    info,
    feed,
    position: beginning.position,
    recovered: beginning.recovered,
    *before(wire, mode) {
      const version = feed.stateVersion
      if (version !== undefined) yield wire.encode({ type: 'state', version }) as Buffer
      const outbox = new Outbox()
      const line = new Line(feed, wire, mode)
      for (const note of beginning.notes) {
        const isGathered = mode !== 'nonCollapsing' && note.type === 'data'
        outbox.add(line, note, isGathered ? undefined : wire.encode(note))
        if (mode === 'nonCollapsing' && outbox.bytes >= PIECE_BYTES) yield outbox.take() as Buffer
      }
      const rest = outbox.take()
      if (rest !== undefined) yield rest
    },
  }
}

function stateOf({ served }: Service, info: ChannelInfo, name: string): StateInfo {
  const state = served.states.exactly(name)
  if (state?.channel === info.name) return state
  throw new WebServerError('NO_STATE', `${info.name} has no state ${JSON.stringify(name)}`)
}

const PIECE_BYTES = 64 * 1024
