import type { ClientOptions } from '../../src/index.js'
import { sse } from '../../src/sse.js'
import { scenario } from './scenario.js'

// Wherever a runtime keeps the arguments: the last three.
declare const process: { readonly argv: readonly string[] }
const [place = '', way = '', name = ''] = process.argv.slice(-3)
const ways: { readonly [way: string]: () => Promise<ClientOptions> } = {
  websocket: async () => ({ url: place }),
  sse: async () => ({ url: place, ...sse() }),
  unix: async () => (await import('../../src/unix.js')).unix(place),
}
console.log(JSON.stringify(await scenario((await ways[way]?.()) ?? { url: '' }, name)))
