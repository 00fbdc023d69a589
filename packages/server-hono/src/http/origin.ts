import type { Settings } from '../options.js'

/**
 * Whether a page of `origin` may open the stream: pages of the server itself and of listed origins may, and so may
 * clients that are no pages, which send no origin.
 */
export function isOriginAllowed(
  { origins, cors }: Pick<Settings, 'origins' | 'cors'>,
  origin: string | undefined,
  host: string | undefined,
): boolean {
  if (origin === undefined) return true
  if (origins.includes(origin)) return true
  // `*` is for answers without cookies; the handshake would carry them.
  if (cors !== undefined && cors.origins !== '*' && cors.origins.includes(origin)) return true
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`)
}
