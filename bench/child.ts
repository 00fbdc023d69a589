import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A server in a process of its own, so that it has a core for itself. */
export interface ServerProcess<Answer> {
  readonly port: number
  /** Tells it something, and waits for its answer. */
  ask(message: object): Promise<Answer>
  /** Tells it something. */
  tell(message: object): void
  stop(): Promise<void>
}

/**
 * Starts `file`, beside this one, which says `{ port }` when it listens and answers each message that has to be. It is given
 * the name of its side, and `args`.
 */
export async function startServer<Answer>(
  file: string,
  side: string,
  ...args: readonly string[]
): Promise<ServerProcess<Answer>> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child: ChildProcess = fork(path, [side, ...args], { execArgv: ['--expose-gc'] })
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the server of ${side} has ended with ${code}`)
  })
  exited.catch(() => undefined)
  const heard = async <T>(): Promise<T> => {
    const [message] = (await Promise.race([once(child, 'message'), exited])) as [T]
    return message
  }
  const { port } = await heard<{ port: number }>()
  return {
    port,
    ask: async (message) => {
      child.send(message)
      return heard<Answer>()
    },
    tell: (message) => void child.send(message),
    stop: async () => {
      child.kill()
      await once(child, 'exit')
    },
  }
}
