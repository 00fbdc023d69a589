/** Where a session's bytes go: a socket, or the body of a response. */
export interface Sink {
  /** Writes, without waiting. */
  write(bytes: Buffer): void
  /** Bytes that were written and not yet taken. */
  readonly unsentBytes: number
  /** Calls once when all that was written has been taken. */
  onDrained(listener: () => void): void
  /** Ends the connection in its own way. */
  close(code: number, reason: string): void
}

/** A sink that can be seen to be gone. */
export interface LiveSink extends Sink {
  onClosed(listener: () => void): void
  /** Calls for every sign of life of the reader. */
  onSignOfLife(listener: () => void): void
  /** Asks for a sign of life. */
  ping(): void
  /** Cuts the connection without a word. */
  terminate(): void
}
