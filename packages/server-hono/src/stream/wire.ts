import { type ChannelKind, formatPosition, type MessageId, type Position } from '@gw/protocol'
import { textFrame } from './frame.js'

/** One thing that a subscription is told, before it has a form. */
export type Note =
  | {
      readonly type: 'data'
      readonly key: string | undefined
      readonly kind: ChannelKind
      /** JSON text of an array of records. */
      readonly json: string
      /** Absent where it could not be resumed from: in the snapshot of a whole basket. */
      readonly position: Position | undefined
      readonly isSnapshot: boolean
    }
  | { readonly type: 'snapshotEnd'; readonly position: Position }
  | {
      readonly type: 'gap'
      readonly key: string | undefined
      readonly from: number
      readonly to: number
      readonly reason: 'slow' | 'history'
    }
  | {
      readonly type: 'removed'
      readonly key: string
      readonly position: Position | undefined
    }
  | { readonly type: 'state'; readonly version: string }
  | { readonly type: 'progress'; readonly position: Position }

/** How notes of one subscription become bytes. */
export interface Wire {
  /** Equal for wires that make the same bytes. */
  readonly id: string
  /** Whether a reader of this form can be told of a gap; of others the connection is closed. */
  readonly tellsGaps: boolean
  encode(note: Note): Buffer | undefined
}

/** The reference's messages: data only, without a word on where they are. */
export function referenceWire(channel: string): Wire {
  const head = `{"channel":${JSON.stringify(channel)}`
  return {
    id: 'reference',
    tellsGaps: false,
    encode: (note) => {
      if (note.type !== 'data') return undefined
      const key = note.key === undefined ? '' : `,"key":${JSON.stringify(note.key)}`
      return textFrame(`${head}${key},"data":${note.json}}`)
    },
  }
}

/** The messages of a subscription that was made with an `id`. */
export function gatewayWire(channel: string, sub: MessageId, positions: boolean): Wire {
  const text = gatewayText(channel, sub, positions)
  return {
    id: `gateway ${JSON.stringify(sub)} ${positions}`,
    tellsGaps: true,
    encode: (note) => textFrame(text(note)),
  }
}

/** Server-sent events: the same messages, each named by what it is, with the position to come back with as its id. */
export function eventWire(channel: string): Wire {
  const text = gatewayText(channel, undefined, true)
  return {
    id: 'event',
    tellsGaps: true,
    encode: (note) => {
      const position = 'position' in note ? note.position : undefined
      const id = position === undefined ? '' : `id: ${formatPosition(position)}\n`
      if (note.type === 'progress') return Buffer.from(`${id}\n`)
      return Buffer.from(`event: ${note.type}\n${id}data: ${text(note)}\n\n`)
    },
  }
}

function gatewayText(
  channel: string,
  sub: MessageId | undefined,
  positions: boolean,
): (note: Note) => string {
  const subMember = sub === undefined ? '' : `"sub":${JSON.stringify(sub)},`
  const head = `{${subMember}"channel":${JSON.stringify(channel)}`
  return (note) => {
    switch (note.type) {
      case 'data': {
        const position =
          positions && note.position !== undefined ? positionMembers(note.position) : ''
        const snapshot = note.isSnapshot ? ',"snapshot":true' : ''
        return `${head}${keyMember(note.key)},"kind":"${note.kind}","data":${note.json}${position}${snapshot}}`
      }
      case 'snapshotEnd':
        return `${head},"snapshotEnd":true${positionMembers(note.position)}}`
      case 'gap':
        return `${head}${keyMember(note.key)},"gap":{"from":${note.from},"to":${note.to},"reason":"${note.reason}"}}`
      case 'removed':
        return `${head}${keyMember(note.key)},"removed":true}`
      case 'state':
        return `${head},"stateVersion":${JSON.stringify(note.version)}}`
      case 'progress':
        return `{${subMember}"progress":${JSON.stringify(note.position)}}`
    }
  }
}

function keyMember(key: string | undefined): string {
  return key === undefined ? '' : `,"key":${JSON.stringify(key)}`
}

function positionMembers({ epoch, offset }: Position): string {
  return `,"epoch":${JSON.stringify(epoch)},"offset":${offset}`
}
