import { formatPosition, HEADER } from '@gw/protocol'
import type { Answer } from './answers.js'
import { MIN_COMPRESSED_BYTES } from './compression.js'
import { type Problem, problemType } from './problem.js'

/** Headers of every answer: nothing is sniffed, framed, cached or told to other sites. */
export const SECURE_HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
}

/** Headers of a good answer. */
export function answerHeaders(answer: Answer): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': 'application/json',
    'Cache-Control': answer.etag === undefined ? 'no-store' : 'private, no-cache',
  }
  // The same URL has another answer for those who take it compressed.
  if (answer.body.length >= MIN_COMPRESSED_BYTES) headers.Vary = 'Accept-Encoding'
  if (answer.kind !== undefined) headers[HEADER.KIND] = answer.kind
  if (answer.position !== undefined) headers[HEADER.POSITION] = formatPosition(answer.position)
  if (answer.etag !== undefined) headers.ETag = answer.etag
  return headers
}

/** Whether the copy that a client names in `If-None-Match` is the present one. */
export function isUnchanged(answer: Answer, ifNoneMatch: string | undefined): boolean {
  if (answer.etag === undefined || ifNoneMatch === undefined) return false
  return ifNoneMatch
    .split(',')
    .some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === answer.etag)
}

/** Headers of a refusal. */
export function problemHeaders(
  problem: Problem,
  accept: string | undefined,
): Record<string, string> {
  return {
    ...problem.headers,
    'Content-Type': problemType(accept),
    'Cache-Control': 'no-store',
  }
}
