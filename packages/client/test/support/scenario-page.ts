import { sse } from '../../src/sse.js'
import { scenario } from './scenario.js'

// What a test in a page calls.
Object.assign(globalThis, { scenario, sse })
