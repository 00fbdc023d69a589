import type { WriteStream } from 'node:tty'

const WIDTH = 40
const INTERVAL_MS = 100

/** Draws how far a count has come, on a terminal; does nothing in a pipe. */
export function progressBar(
  stream: NodeJS.WriteStream | WriteStream,
  total: number,
  count: () => number,
): { stop(): void } {
  if (!stream.isTTY) return { stop: () => undefined }
  const draw = (): void => {
    const done = Math.min(count() / total, 1)
    const filled = Math.round(done * WIDTH)
    const bar = '#'.repeat(filled) + '.'.repeat(WIDTH - filled)
    stream.write(`\r[${bar}] ${String(Math.floor(done * 100)).padStart(3)} %`)
  }
  const timer = setInterval(draw, INTERVAL_MS)
  return {
    stop: () => {
      clearInterval(timer)
      stream.write(`\r${' '.repeat(WIDTH + 8)}\r`)
    },
  }
}
