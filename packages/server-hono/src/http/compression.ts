import { promisify } from 'node:util'
import { constants, gzip, gzipSync } from 'node:zlib'

/** Shorter answers fit one packet anyway. */
export const MIN_COMPRESSED_BYTES = 1_400
/** Longer ones are compressed on another thread, since they would hold up everybody. */
const MAX_SYNC_BYTES = 16 * 1024
const FAST = { level: constants.Z_BEST_SPEED }

const gzipElsewhere = promisify<Buffer, typeof FAST, Buffer>(gzip)

/** The gzip of a body, where it pays and the client takes it; else undefined. */
export function compressed(
  body: Buffer,
  acceptEncoding: string | undefined,
): Buffer | Promise<Buffer> | undefined {
  if (body.length < MIN_COMPRESSED_BYTES || acceptEncoding === undefined) return undefined
  if (!acceptsGzip(acceptEncoding)) return undefined
  return body.length <= MAX_SYNC_BYTES ? gzipSync(body, FAST) : gzipElsewhere(body, FAST)
}

/** Headers of an answer that is compressed. Its tag is weak, since the bytes are others than those of the plain answer. */
export function compressedHeaders(
  headers: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    ...headers,
    'Content-Encoding': 'gzip',
    ...(headers.ETag === undefined ? {} : { ETag: `W/${headers.ETag}` }),
  }
}

function acceptsGzip(acceptEncoding: string): boolean {
  return /(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)/i.test(
    acceptEncoding,
  )
}
