import * as gw from '@gw/core'
import { type Edge, type Graph, ms, type Span, ticks } from '@gw/core'
import type { SpanText } from './case.js'
import { statistics } from './statistics.js'
import { keyed, testNodes } from './test-nodes.js'
import {
  type Call,
  edgeAt,
  elementsAt,
  isDuration,
  type Result,
  spanParam,
  type TypedEdge,
  typedAt,
} from './typed-edge.js'

type Operator = (graph: Graph, call: Call) => Result

const NUMBERS = ['int', 'float', 'bool'] as const

function spanOf(span: unknown): Span {
  if (isDuration(span)) return ms(span.ms)
  return ticks(span as number)
}

function durationOf(span: SpanText | undefined): gw.Duration {
  if (span === undefined) return 0
  if (!isDuration(span)) throw new TypeError('a duration, not a number of ticks')
  return ms(span.ms)
}

/** The type of what two numbers of these types make together. */
function promoted(...edges: readonly TypedEdge[]): string {
  if (edges.some(({ type }) => type === 'float')) return 'float'
  return edges[0]?.type === 'str' ? 'str' : 'int'
}

function numeric(
  compute: (x: Edge<number>, y: Edge<number>) => Edge<number>,
  type?: string,
): Operator {
  return (_graph, call) => {
    const x = typedAt(call, 0, ...NUMBERS)
    const y = typedAt(call, 1, ...NUMBERS)
    return {
      edge: compute(x.edge as Edge<number>, y.edge as Edge<number>),
      type: type ?? promoted(x, y),
    }
  }
}

function compared(compute: (x: Edge<never>, y: Edge<never>) => Edge<boolean>): Operator {
  return (_graph, call) => {
    const [x, y] = [typedAt(call, 0), typedAt(call, 1)]
    return { edge: compute(x.edge as Edge<never>, y.edge as Edge<never>), type: 'bool' }
  }
}

function unary(compute: (x: Edge<number>) => Edge<number>, keepsInt = false): Operator {
  return (_graph, call) => {
    const x = typedAt(call, 0, ...NUMBERS)
    return { edge: compute(x.edge as Edge<number>), type: keepsInt ? x.type : 'float' }
  }
}

/** An operator whose result has the type of input `i`. */
function keeps(i: number, build: (call: Call, graph: Graph) => Edge<unknown>): Operator {
  return (graph, call) => {
    const { type } = typedAt(call, i)
    return { edge: build(call, graph), type }
  }
}

function bool(build: (call: Call) => Edge<boolean>): Operator {
  return (_graph, call) => ({ edge: build(call), type: 'bool' })
}

const allBool = (call: Call): Edge<boolean>[] =>
  call.inputs.map((_, i) => edgeAt<boolean>(call, i, 'bool'))

function basketOf(call: Call, i: number): { [key: string]: Edge<unknown> } {
  const elements = Object.entries(elementsAt(call, i))
  return Object.fromEntries(elements.map(([key, { edge }]) => [key, edge]))
}

function elementType(call: Call, i: number): string {
  return Object.values(elementsAt(call, i))[0]?.type ?? 'object'
}

/** Edges under the names of outputs, all of one type. */
function outputs(edges: { readonly [name: string]: Edge<unknown> }, type: string): Result {
  return Object.fromEntries(Object.entries(edges).map(([name, edge]) => [name, { edge, type }]))
}

const FUNCTIONS: { readonly [fn: string]: readonly [(v: never) => unknown, string | undefined] } = {
  double: [(v: number) => 2 * v, undefined],
  square: [(v: number) => v * v, undefined],
  negate: [(v: number) => -v, undefined],
  mod3: [(v: number) => ((v % 3) + 3) % 3, undefined],
  is_even: [(v: number) => v % 2 === 0, 'bool'],
  triple_list: [(v: number) => [v, v + 1, v + 2], 'int[]'],
  list_n: [(v: number) => Array.from({ length: Math.max(0, v) }, (_, i) => i), 'int[]'],
}

function apply(call: Call): Result {
  const x = typedAt(call, 0)
  const name = String(call.params.fn)
  if (name === 'str') {
    const show = x.type === 'float' ? floatText : String
    return { edge: gw.map(x.edge, (v) => show(v as number)), type: 'str' }
  }
  const fn = FUNCTIONS[name]
  if (fn === undefined) throw new Error(`unknown function ${name}`)
  const [compute, type] = fn
  return { edge: gw.map(x.edge as Edge<never>, compute), type: type ?? x.type }
}

/** The text that the reference gives a float. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}

/** Of an int and a float the reference's quotient is Python's, which refuses 0; of two alike it is an infinity or NaN. */
function mixedQuotient(x: Edge<number>, y: Edge<number>): Edge<number> {
  return gw.node('divide', { x, y }, ({ x, y }) => () => {
    if (!x.valid || !y.valid) return undefined
    if (y.value === 0) throw new RangeError('float division by zero')
    return x.value / y.value
  })
}

/** Integers have their own power: with a negative exponent it is 0, or 1 for the bases 1 and -1. */
function power(call: Call): Result {
  const x = typedAt(call, 0, ...NUMBERS)
  const y = typedAt(call, 1, ...NUMBERS)
  const type = promoted(x, y)
  const result = gw.pow(x.edge as Edge<number>, y.edge as Edge<number>)
  return { edge: type === 'int' ? gw.map(result, Math.trunc) : result, type }
}

/** Between an int and a float the reference lets the second one win ties, which only NaN shows. */
function extreme(pick: (x: Edge<number>, y: Edge<number>) => Edge<number>): Operator {
  return (graph, call) => {
    const isMixed = typedAt(call, 0).type !== typedAt(call, 1).type
    return numeric(isMixed ? (x, y) => pick(y, x) : pick)(graph, call)
  }
}

/** The type of a struct names its fields with their types. */
const STRUCT = 'struct '

function structType(call: Call): string {
  return `${STRUCT}${JSON.stringify(call.params.fields)}`
}

function structEdges(call: Call): gw.FieldEdges<{ [field: string]: unknown }> {
  const fields = call.params.fields as { readonly [name: string]: string }
  for (const [name, { type }] of Object.entries(elementsAt(call, 0))) {
    if (fields[name] !== type && !(fields[name] === 'float' && type === 'int')) {
      throw new TypeError(`field ${name} expected ts type ${fields[name]} but got ${type}`)
    }
  }
  return basketOf(call, 0)
}

/** The operators of the cases, by the reference's names. */
export const operators: { readonly [op: string]: Operator } = {
  ...testNodes,
  ...statistics,

  add: (_graph, call) => {
    const [x, y] = [typedAt(call, 0), typedAt(call, 1)]
    if ((x.type === 'str') !== (y.type === 'str')) throw new TypeError(`${x.type} + ${y.type}`)
    return {
      edge: gw.add(x.edge as Edge<number>, y.edge as Edge<number>),
      type: promoted(x, y),
    }
  },
  sub: numeric(gw.sub),
  multiply: numeric(gw.mul),
  divide: (graph, call) => {
    const isMixed = typedAt(call, 0).type !== typedAt(call, 1).type
    return numeric(isMixed ? mixedQuotient : gw.div, 'float')(graph, call)
  },
  floordiv: numeric(gw.floordiv),
  mod: numeric(gw.mod),
  pow: (_graph, call) => power(call),
  max: extreme(gw.max),
  min: extreme(gw.min),
  eq: compared(gw.eq),
  ne: compared(gw.ne),
  lt: compared(gw.lt),
  le: compared(gw.le),
  gt: compared(gw.gt),
  ge: compared(gw.ge),
  // The reference makes floats of integers here, which nothing but a text of them shows.
  neg: unary(gw.neg),
  pos: unary(gw.pos),
  abs: unary(gw.abs, true),
  bitwise_not: (_graph, call) => ({
    edge: gw.bitwiseNot(edgeAt<number>(call, 0, 'int', 'bool')),
    type: 'int',
  }),
  ln: unary(gw.ln),
  log2: unary(gw.log2),
  log10: unary(gw.log10),
  exp: unary(gw.exp),
  exp2: unary(gw.exp2),
  sqrt: unary(gw.sqrt),
  sin: unary(gw.sin),
  cos: unary(gw.cos),
  tan: unary(gw.tan),
  arcsin: unary(gw.arcsin),
  arccos: unary(gw.arccos),
  arctan: unary(gw.arctan),
  sinh: unary(gw.sinh),
  cosh: unary(gw.cosh),
  tanh: unary(gw.tanh),
  arcsinh: unary(gw.arcsinh),
  arccosh: unary(gw.arccosh),
  arctanh: unary(gw.arctanh),
  erf: unary(gw.erf),
  not: bool((call) => gw.not(edgeAt<boolean>(call, 0, 'bool'))),
  and: bool((call) => gw.and(...allBool(call))),
  or: bool((call) => gw.or(...allBool(call))),

  apply: (_graph, call) => apply(call),
  sample: keeps(1, (call) => gw.sample(edgeAt(call, 0), edgeAt(call, 1))),
  firstN: keeps(0, (call) => gw.firstN(edgeAt(call, 0), call.params.N as number)),
  count: (_graph, call) => ({ edge: gw.count(edgeAt(call, 0)), type: 'int' }),
  delay: keeps(0, (call) => gw.delay(edgeAt(call, 0), spanOf(spanParam(call, 'delay')))),
  diff: keeps(0, (call) =>
    gw.diff(edgeAt<number>(call, 0, ...NUMBERS), spanOf(spanParam(call, 'lag'))),
  ),
  merge: (_graph, call) => {
    const [x, y] = [typedAt(call, 0), typedAt(call, 1)]
    return { edge: gw.merge(x.edge, y.edge), type: x.type === y.type ? x.type : promoted(x, y) }
  },
  split: (_graph, call) => {
    const x = typedAt(call, 1)
    return outputs(gw.split(edgeAt<boolean>(call, 0, 'bool'), x.edge), x.type)
  },
  filter: keeps(1, (call) => gw.filter(edgeAt<boolean>(call, 0, 'bool'), edgeAt(call, 1))),
  drop_dups: keeps(0, (call) => {
    const { eps } = call.params
    const x = typedAt(call, 0)
    if (eps === undefined || eps === null) return gw.dropDups(x.edge)
    if (x.type !== 'float') throw new TypeError('eps should not be passed for non-float')
    return gw.dropDups(x.edge as Edge<number>, { eps: eps as number })
  }),
  drop_nans: keeps(0, (call) => gw.dropNans(edgeAt<number>(call, 0, 'int', 'float'))),
  unroll: (_graph, call) => {
    const x = typedAt(call, 0)
    if (!x.type.endsWith('[]')) throw new TypeError(`cannot validate ts[${x.type}] as ts[List]`)
    return { edge: gw.unroll(x.edge as Edge<readonly unknown[]>), type: x.type.slice(0, -2) }
  },
  collect: (graph, call) => {
    const edges = Object.values(basketOf(call, 0))
    const edge = edges.length === 0 ? gw.empty(graph) : gw.collect(edges)
    return { edge, type: `${elementType(call, 0)}[]` }
  },
  flatten: (graph, call) => {
    const edges = Object.values(basketOf(call, 0))
    const edge = edges.length === 0 ? gw.empty(graph) : gw.flatten(edges)
    return { edge, type: elementType(call, 0) }
  },
  gate: (_graph, call) => {
    const x = typedAt(call, 0)
    const releaseOnTick = call.params.release_on_tick === true
    const release = edgeAt<boolean>(call, 1, 'bool')
    return { edge: gw.gate(x.edge, release, { releaseOnTick }), type: `${x.type}[]` }
  },
  default: keeps(0, (call) =>
    gw.withDefault(edgeAt(call, 0), call.params.value, durationOf(spanParam(call, 'delay'))),
  ),
  accum: keeps(0, (call) => {
    const start = (call.params.start ?? 0) as number
    return gw.accum(edgeAt<number>(call, 0), start)
  }),
  wrap_feedback: keeps(0, (call) => gw.wrapFeedback(edgeAt(call, 0))),
  multiplex: (_graph, call) => {
    const edge = gw.multiplex(basketOf(call, 0), edgeAt<string>(call, 1), {
      tickOnIndex: call.params.tick_on_index === true,
      raiseOnBadKey: call.params.raise_on_bad_key === true,
    })
    return { edge, type: elementType(call, 0) }
  },
  demultiplex: (_graph, call) => {
    const x = typedAt(call, 0)
    const keys = call.params.keys as readonly string[]
    const raiseOnBadKey = call.params.raise_on_bad_key === true
    const edges = gw.demultiplex(x.edge, edgeAt<string>(call, 1), keys, { raiseOnBadKey })
    return outputs(edges, x.type)
  },
  times: (_graph, call) => ({ edge: gw.times(edgeAt(call, 0)), type: 'time' }),
  times_ns: (_graph, call) => ({ edge: gw.timesNs(edgeAt(call, 0)), type: 'nanoseconds' }),
  cast_int_to_float: (_graph, call) => ({ edge: edgeAt(call, 0, 'int'), type: 'float' }),
  stop_engine: (_graph, call) => {
    gw.stopEngine(edgeAt(call, 0))
    return undefined
  },

  struct_fromts: (_graph, call) => {
    const { trigger } = call.named
    const options = trigger === undefined ? {} : { trigger: trigger.edge }
    return { edge: gw.structFromTs(structEdges(call), options), type: structType(call) }
  },
  struct_collectts: (_graph, call) => ({
    edge: gw.structCollectTs(structEdges(call)),
    type: structType(call),
  }),
  struct_field: (_graph, call) => {
    const { edge, type } = typedAt(call, 0)
    if (!type.startsWith(STRUCT)) throw new TypeError(`${type} has no fields`)
    const fields = JSON.parse(type.slice(STRUCT.length)) as { readonly [name: string]: string }
    const field = String(call.params.field)
    const fieldType = fields[field]
    if (fieldType === undefined) throw new TypeError(`the struct has no field ${field}`)
    const struct = edge as Edge<{ [field: string]: unknown }>
    return { edge: gw.structField(struct, field), type: fieldType }
  },

  sync: (_graph, call) => {
    const { trigger } = call.named
    const edges = gw.sync(basketOf(call, 0), durationOf(spanParam(call, 'threshold')), {
      outputIncomplete: call.params.output_incomplete !== false,
      ...(trigger === undefined ? {} : { trigger: trigger.edge }),
    })
    return outputs(edges, elementType(call, 0))
  },
  sample_basket: (_graph, call) =>
    outputs(gw.sampleBasket(edgeAt(call, 0), basketOf(call, 1)), elementType(call, 1)),

  dynamic_roundtrip: (_graph, call) => {
    const basket = gw.dynamicDemultiplex(edgeAt(call, 0), edgeAt<string>(call, 1))
    return { edge: gw.dynamicCollect(basket), type: 'object' }
  },
  dynamic_keys: (_graph, call) => ({ edge: gw.dynamicCollect(keyedOf(call)), type: 'object' }),
  dynamic_accum: (_graph, call) => {
    const sums = gw.dynamic(
      keyedOf(call) as gw.DynamicBasket<string, number>,
      { base: gw.snap(edgeAt<number>(call, 0)) },
      ({ edge }, { base }) => gw.accum(edge, base),
    )
    return { edge: gw.dynamicCollect(sums), type: 'object' }
  },
}

function keyedOf(call: Call): gw.DynamicBasket<string, unknown> {
  const x = edgeAt(call, 0, 'int', 'bool')
  return keyed(x, edgeAt<string>(call, 1, 'str'), edgeAt<string>(call, 2, 'str'))
}
