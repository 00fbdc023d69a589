import { readFileSync } from 'node:fs'

const INTERVAL_MS = 500

/** Programs that stand between a person's command and this process, and may be killed without passing it on. */
const WRAPPER = /^(sh|dash|npm|npx|pnpm|node|turbo|MainThread)/

/**
 * Calls `onOrphaned` once when the process that started this one has gone, or one of the wrappers (npx, pnpm, a shell
 * of theirs) above it: else an orphan would keep the port. @returns what ends the watch.
 */
export function watchParents(onOrphaned: () => void): () => void {
  const parent = process.ppid
  const wrappers = wrappersAbove(parent)
  const timer = setInterval(() => {
    if (process.ppid === parent && wrappers.every(isAlive)) return
    clearInterval(timer)
    onOrphaned()
  }, INTERVAL_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Process ids from `pid` upwards, as far as they are wrappers. Only where the system tells (Linux). */
function wrappersAbove(pid: number): number[] {
  const found: number[] = []
  let current = pid
  while (current > 1 && found.length < 16) {
    const process = readProcess(current)
    if (process === undefined || !WRAPPER.test(process.name)) break
    found.push(current)
    current = process.parent
  }
  return found
}

function isAlive(pid: number): boolean {
  const process = readProcess(pid)
  return process !== undefined && process.state !== 'Z' && process.state !== 'X'
}

function readProcess(
  pid: number,
): { readonly name: string; readonly state: string; readonly parent: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    const [state = '', parent = ''] = stat.slice(end + 2).split(' ')
    return { name: stat.slice(stat.indexOf('(') + 1, end), state, parent: Number(parent) }
  } catch {
    return undefined
  }
}
