import type { GatewayContext } from './context.js'

/** A request as the routes know it, and the path below which an app of the user has them. */
export interface BelowBase {
  readonly base: string
  readonly request: Request
}

/** Takes off the path below which an app is mounted: that of its route, which may have parameters. */
export function belowBase(c: GatewayContext): BelowBase {
  const { raw, routePath } = c.req
  // Of `/below/*`, all steps but the last are the base.
  const steps = routePath.split('/').length - 2
  if (steps <= 0) return { base: '', request: raw }
  const url = new URL(raw.url)
  const path = url.pathname.split('/')
  const base = path.slice(0, steps + 1).join('/')
  url.pathname = `/${path.slice(steps + 1).join('/')}`
  return { base, request: new Request(url, raw) }
}

/** The response with a redirect to where it is for others. */
export function aboveBase(base: string, response: Response): Response {
  const location = response.headers.get('location')
  if (base === '' || location?.startsWith('/') !== true) return response
  const moved = new Response(response.body, response)
  moved.headers.set('location', `${base}${location}`)
  return moved
}
