/**
 * Place of a tick in the log of a channel, or of one key of a basket. The epoch is new for each incarnation of the
 * log; offsets count from 1 without holes. Offset 0 is the place before the first tick.
 */
export interface Position {
  readonly epoch: string
  readonly offset: number
}

/** The text of a position in headers and event ids: `EPOCH:OFFSET`. */
export function formatPosition(position: Position): string {
  return `${position.epoch}:${position.offset}`
}

/** The position of such a text; `undefined` when it is none. Of fifteen digits, each number is exact. */
export function parsePosition(text: string): Position | undefined {
  const [, epoch, offset] = /^([\w-]{1,64}):(\d{1,15})$/.exec(text) ?? []
  return epoch === undefined ? undefined : { epoch, offset: Number(offset) }
}
