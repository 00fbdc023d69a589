import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'

const PROGRAM = join(import.meta.dirname, '../dist/main.js')

/** A demo that runs as a process of its own. */
export interface DemoProcess {
  readonly url: string
  readonly process: ChildProcess
  /** Everything that it has printed. */
  output(): string
  /** Fulfilled with the exit code, or the signal, once it has ended. */
  readonly ended: Promise<number | string>
  stop(): Promise<void>
}

/** Starts the demo on a free port and waits until it says where it serves. */
export async function startDemo(
  args: readonly string[] = [],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<DemoProcess> {
  const child = spawn(process.execPath, [PROGRAM, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, API_KEY: '', KAFKA_BROKERS: '', ...env },
  })
  let output = ''
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone'))
  })
  const isServing = new Promise<void>((resolve) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString()
      if (/pid +\d+/.test(output)) resolve()
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
  })
  await Promise.race([
    isServing,
    ended.then((code) => {
      throw new Error(`the demo ended with ${code}:\n${output}`)
    }),
  ])
  return {
    url: /http:\/\/[\d.]+:\d+/.exec(output)?.[0] ?? '',
    process: child,
    output: () => output,
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}
