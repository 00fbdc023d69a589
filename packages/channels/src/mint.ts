import { type Graph, isoOf, type Timestamp, wallNow } from '@gw/core'

/** Gives new structs their ids and the timestamp of their entry. */
export interface Mint {
  /** A new id: fixed width, larger than all before, as text and as number. */
  id(): string
  /** The present time, as structs carry it. */
  timestamp(): string
}

const COUNTER_DIGITS = 12
const BLOCK = 10_000
const LOW_DIGITS = Array.from({ length: BLOCK }, (_, i) => String(i).padStart(4, '0'))

/** Where the ids of a run begin: the milliseconds of its start, and five random digits for the instance. */
export function newIdBase(): string {
  const start = String(Math.floor(wallNow() / 1_000)).padStart(13, '0')
  const instance = String(Math.floor(Math.random() * 100_000)).padStart(5, '0')
  return start + instance
}

/** Whether a text can be the base of ids. */
export function isIdBase(text: string): boolean {
  return /^\d{18}$/.test(text)
}

/**
 * Mints ids of a base and a counter: unique over instances and restarts when the base is, and the same again when a
 * run is given the base of another.
 */
export function mintOf(base: string, now: () => Timestamp): Mint {
  let block = -1
  let next = BLOCK
  let prefix = ''
  return {
    id: () => {
      if (next === BLOCK) {
        next = 0
        prefix = base + String(++block).padStart(COUNTER_DIGITS - 4, '0')
      }
      return prefix + (LOW_DIGITS[next++] as string)
    },
    timestamp: () => isoText(now()),
  }
}

let lastTime: Timestamp = Number.NaN
let lastText = ''

/** As `isoOf`; many structs are made at one time. */
export function isoText(time: Timestamp): string {
  if (time !== lastTime) {
    lastTime = time
    lastText = isoOf(time)
  }
  return lastText
}

const ISO_TEXT =
  /^\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/

/** Whether a text is, of itself, a time as structs carry it. Leap days are not known: of them it says no. */
export function isIsoText(text: string): boolean {
  return ISO_TEXT.test(text)
}

const mints = new WeakMap<Graph, Mint>()

/** Says which mint the nodes of a graph use. */
export function giveMint(graph: Graph, mint: Mint): void {
  mints.set(graph, mint)
}

/** The mint of the run that a node belongs to; of the process, for a graph without a gateway. */
export function mintFor(graph: Graph): Mint {
  return mints.get(graph) ?? processMint()
}

let ofProcess: Mint | undefined

function processMint(): Mint {
  ofProcess ??= mintOf(newIdBase(), wallNow)
  return ofProcess
}

let current: Mint | undefined

/** The mint of the border that is being crossed now; of the process, for a schema that is used outside of a gateway. */
export function presentMint(): Mint {
  return current ?? processMint()
}

/** Runs `work`, which must not wait, with `mint` for the structs that it completes. */
export function withMint<R>(mint: Mint, work: () => R): R {
  const outer = current
  current = mint
  try {
    return work()
  } finally {
    current = outer
  }
}
