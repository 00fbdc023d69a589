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
} as const

/** Headers of a state's records: what a copy of the state needs to know. */
export const STATE_HEADER = {
  /** Paths that make the key, each as in a URL, with commas between. */
  BY: 'X-Gateway-State-By',
  /** Records that are kept of each key, where that is not one: a number, or `all`. */
  KEEP: 'X-Gateway-State-Keep',
  /** Records that are kept in all: the one that came first goes out. */
  MAX_RECORDS: 'X-Gateway-State-Max-Records',
  /** Of a basket: the one key whose ticks are kept, where there is one; as in a URL. */
  KEY: 'X-Gateway-State-Key',
  /** Position by which all has come that can be in the records, where ticks behind that of the answer can be. */
  THROUGH: 'X-Gateway-State-Through',
} as const
