import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { WebServerError } from '../errors.js'

/** Listens on a TCP address. @throws WebServerError `ADDRESS_IN_USE`, `ADDRESS_UNAVAILABLE`. */
export async function listenTcp(server: Server, host: string, port: number): Promise<void> {
  await listen(server, () => server.listen({ host, port }), `${host}:${port}`)
}

/**
 * Listens on a UNIX socket of a file mode. A socket file that nobody listens on is replaced; anything else is left alone.
 * @throws WebServerError `SOCKET_PATH_TAKEN`, `ADDRESS_UNAVAILABLE`.
 */
export async function listenUnix(server: Server, path: string, mode: number): Promise<void> {
  const bind = (): void => {
    // The file is made while `listen` runs: with this mask nobody else can connect before the mode is set.
    const mask = process.umask(0o177)
    try {
      server.listen(path)
    } finally {
      process.umask(mask)
    }
  }
  try {
    await listen(server, bind, path)
  } catch (error) {
    if (!(error instanceof WebServerError) || error.code !== 'ADDRESS_IN_USE') throw error
    await removeStale(path)
    await listen(server, bind, path)
  }
  chmodSync(path, mode)
}

async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path).isSocket()) {
    throw new WebServerError(
      'SOCKET_PATH_TAKEN',
      `${path} is there and is no socket: remove it, or choose another path`,
    )
  }
  if (await isListening(path)) {
    throw new WebServerError(
      'SOCKET_PATH_TAKEN',
      `another process listens on ${path}: stop it, or choose another path`,
    )
  }
  unlinkSync(path)
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Only a refusal says that nobody is there; when in doubt the file stays.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}

function listen(server: Server, bind: () => void, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      server.off('listening', onListening)
      reject(
        error.code === 'EADDRINUSE'
          ? new WebServerError(
              'ADDRESS_IN_USE',
              `${address} is in use by another process: stop it, or choose another`,
              { cause: error },
            )
          : new WebServerError(
              'ADDRESS_UNAVAILABLE',
              `cannot listen on ${address}: ${error.code}`,
              {
                cause: error,
              },
            ),
      )
    }
    const onListening = (): void => {
      server.off('error', onError)
      resolve()
    }
    server.once('error', onError)
    server.once('listening', onListening)
    try {
      bind()
    } catch (error) {
      onError(error as NodeJS.ErrnoException)
    }
  })
}
