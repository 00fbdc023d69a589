import type { IncomingMessage } from 'node:http'
import { WebServerError } from '../errors.js'
import { invalid } from './validation.js'

/**
 * The body of Node's request: at once when all of it is there, which needs no events; else when it is.
 * @throws WebServerError `BODY_TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`; `REQUEST_TIMEOUT` when the client has gone before its end.
 */
export function incomingBody(
  request: IncomingMessage,
  maxBytes: number,
): Uint8Array | Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  checkCoding(request.headers['content-encoding'])
  if (!request.complete) return whole(request, maxBytes)
  const bytes: Buffer | null = request.read()
  return bytes === null ? NOTHING : within(bytes, maxBytes)
}

/** The same bytes. @throws WebServerError `BODY_TOO_LARGE` when there are more than the bound. */
export function within(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (bytes.length > maxBytes) throw tooLarge(maxBytes)
  return bytes
}

/** @throws WebServerError `UNSUPPORTED_MEDIA_TYPE` for a body that is compressed, or coded in another way. */
export function checkCoding(contentEncoding: string | undefined): void {
  if (contentEncoding === undefined || /^(?:identity)?$/i.test(contentEncoding)) return
  throw new WebServerError(
    'UNSUPPORTED_MEDIA_TYPE',
    `bodies in the coding ${contentEncoding} are not taken: send it as it is`,
    { headers: { 'Accept-Encoding': 'identity' } },
  )
}

/** The refusal of a body beyond its bound: the connection ends, since what is left of it is not read. */
export function tooLarge(maxBytes: number): WebServerError {
  return new WebServerError('BODY_TOO_LARGE', `the body is longer than ${maxBytes} bytes`, {
    headers: { Connection: 'close' },
  })
}

/** The refusal of a request that needs a body and has none. */
export function missingBody(): WebServerError {
  return invalid('INVALID_RECORD', [
    { type: 'missing', loc: ['body'], msg: 'Field required', input: null },
  ])
}

/** What is told of a request whose client has gone: to the log, since nobody else hears it. */
export function clientGone(): WebServerError {
  return new WebServerError('REQUEST_TIMEOUT', 'the client has gone')
}

const NOTHING = new Uint8Array()

function whole(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let length = 0
    const leave = (): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose)
    }
    const onData = (part: Buffer): void => {
      length += part.length
      if (length > maxBytes) {
        leave()
        reject(tooLarge(maxBytes))
      } else parts.push(part)
    }
    const onEnd = (): void => {
      leave()
      resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts))
    }
    const onClose = (): void => {
      leave()
      reject(clientGone())
    }
    if (request.destroyed) onClose()
    else request.on('data', onData).once('end', onEnd).once('close', onClose)
  })
}
