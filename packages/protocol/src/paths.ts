/** Where everything is served: `/api/v1` and the groups below it. */
export const API_PATH = '/api/v1'

/** Version of the protocol, named by `GET /api`. A client of the previous minor version works. */
export const PROTOCOL_VERSION = '1.0.0'

/** Groups of routes below {@link API_PATH}. */
export type RouteGroup =
  | 'last'
  | 'next'
  | 'send'
  | 'state'
  | 'lookup'
  | 'stage'
  | 'controls'
  | 'field'
  | 'stream'
  | 'auth'

/** Path of a name, and of a key or id below it; a key may hold `/`. */
export function pathOf(group: RouteGroup, name?: string, key?: string): string {
  const base = `${API_PATH}/${group}`
  if (name === undefined) return group === 'stream' ? base : `${base}/`
  const path = `${base}/${encodeURIComponent(name)}`
  return key === undefined ? path : `${path}/${key.split('/').map(encodeURIComponent).join('/')}`
}

/** Headers of our own. */
export const HEADER = {
  KIND: 'X-Gateway-Kind',
  POSITION: 'X-Gateway-Position',
  API_KEY: 'X-API-Key',
  /** Of a state: the paths that make its key, with commas between. */
  STATE_BY: 'X-Gateway-State-By',
} as const
