// What a million keys leave behind: each has a sub-graph of its own for as long as 50 others come, then goes with it.
import {
  accum,
  basketNode,
  delay,
  dynamic,
  dynamicCollect,
  Graph,
  micros,
  pull,
  simulate,
  sink,
} from '@gw/core'
import { cpuMs, heapUsed } from './process.js'

const KEYS = 1_000_000
const LIVE = 50
/** Keys after which all code has been run and all maps have their size. */
const WARM_UP = 20_000

const graph = new Graph()
const x = pull(graph, 'x', function* () {
  for (let i = 0; i < KEYS; i++) yield [i, i] as const
})
const keys = basketNode<number, number>()('keys', { x }, ({ x }, basket) => () => {
  const { value } = x
  if (value >= LIVE) basket.remove(value - LIVE)
  basket.emit(value, value)
})
const results = dynamic(keys, {}, ({ edge }) => accum(delay(edge, micros(5))))
let ticked = 0
sink('results', { all: dynamicCollect(results) }, ({ all }) => () => {
  ticked += all.value.size
})
let before = 0
let after = 0
sink('measure', { x }, ({ x }) => () => {
  if (x.value === WARM_UP) before = heapUsed()
  if (x.value === KEYS - 1) after = heapUsed()
})
const started = cpuMs()
simulate(graph)
const microsAKey = ((cpuMs() - started) * 1_000) / KEYS
if (ticked < KEYS - LIVE) throw new Error(`${ticked} of ${KEYS} keys ticked`)
console.log(
  [
    `${KEYS.toLocaleString('en')} keys, ${LIVE} at a time: ${microsAKey.toFixed(1)} us a key,`,
    `heap ${Math.round(before / 1_024)} KiB after ${WARM_UP.toLocaleString('en')}, ${Math.round(after / 1_024)} KiB after all`,
  ].join(' '),
)
