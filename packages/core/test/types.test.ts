import * as core from '@gw/core'
import {
  type Adapter,
  accum,
  adapter,
  add,
  and,
  type BasketView,
  basketNode,
  type Clock,
  type Cursor,
  carriesBasket,
  collect,
  constant,
  count,
  curve,
  type Duration,
  type DynamicBasket,
  days,
  delay,
  delayedCollect,
  delayedDemultiplex,
  delayedEdge,
  demultiplex,
  dependsOn,
  describe,
  diff,
  div,
  dropDups,
  dropNans,
  dynamic,
  dynamicCast,
  dynamicCollect,
  dynamicDemultiplex,
  dynamicOutputs,
  type Edge,
  empty,
  eq,
  feedback,
  filter,
  firstN,
  flatten,
  floordiv,
  Graph,
  type GraphDescription,
  gate,
  ge,
  getBasketField,
  graphOutput,
  gt,
  type History,
  history,
  hours,
  isoOf,
  le,
  log,
  lt,
  type ManualClock,
  manualClock,
  map,
  mapAsync,
  max,
  memoize,
  merge,
  micros,
  min,
  minutes,
  mod,
  ms,
  mul,
  multiNode,
  multiplex,
  ne,
  node,
  not,
  or,
  passive,
  pow,
  print,
  pull,
  push,
  type Run,
  type RunResult,
  realtime,
  sample,
  sampleBasket,
  scheduleOnEngineStop,
  seconds,
  simulate,
  simulateAsync,
  sink,
  snap,
  source,
  split,
  staticCast,
  stats,
  stopEngine,
  structCollectTs,
  structField,
  structFromTs,
  sub,
  sync,
  type Tick,
  type Timestamp,
  ticks,
  timer,
  times,
  timesNs,
  timestampOf,
  toDot,
  toMermaid,
  unroll,
  wallClock,
  wallNow,
  withDefault,
  wrapFeedback,
} from '@gw/core'
import { expect, expectTypeOf, test } from 'vitest'

interface Quote {
  readonly symbol: string
  readonly bid: number
  readonly note?: string
}

const graph = new Graph()
const n = constant<number>(graph, 1)
const text = constant<string>(graph, 'a')
const flag = constant<boolean>(graph, true)
const quote = constant<Quote>(graph, { symbol: 'A', bid: 1 })
const list = constant<readonly number[]>(graph, [1])

test('sources', () => {
  expectTypeOf(constant(graph, 1)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(empty<Quote>(graph)).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(timer(graph, ms(1))).toEqualTypeOf<Edge<true>>()
  expectTypeOf(timer(graph, ms(1), 'x')).toEqualTypeOf<Edge<string>>()
  expectTypeOf(curve(graph, [[1, 'x'] as const])).toExtend<Edge<string>>()
  expectTypeOf(curve(graph, [[1, 2]], { mode: 'burst' })).toEqualTypeOf<Edge<readonly number[]>>()
  expectTypeOf(source(graph, 's', () => () => 1 as number | undefined)).toEqualTypeOf<
    Edge<number>
  >()
  const rows = (): Iterable<readonly [Timestamp, Quote]> => []
  expectTypeOf(pull(graph, 'rows', rows)).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(pull(graph, 'rows', rows, { mode: 'burst' })).toEqualTypeOf<Edge<readonly Quote[]>>()
  expectTypeOf(pull(graph, 'rows', (): Cursor<string> => never())).toEqualTypeOf<Edge<string>>()
})

test('what is pushed, by mode', () => {
  const last = push<Quote>(graph, 'lastValue')
  const burst = push<Quote>(graph, 'burst')
  expectTypeOf(last.edge).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(push<Quote>(graph, 'nonCollapsing').edge).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(burst.edge).toEqualTypeOf<Edge<readonly Quote[]>>()
  expectTypeOf(burst.push).parameters.toEqualTypeOf<[Quote]>()
})

test('arithmetic and functions of numbers', () => {
  for (const operator of [sub, mul, div, floordiv, mod, pow, max, min]) {
    expectTypeOf(operator(n, 2)).toEqualTypeOf<Edge<number>>()
    expectTypeOf(operator(2, n)).toEqualTypeOf<Edge<number>>()
  }
  expectTypeOf(add(n, 1)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(add(text, 'b')).toEqualTypeOf<Edge<string>>()
  // @ts-expect-error a text and a number are not added
  add(text, 1)
  // @ts-expect-error texts are not subtracted
  sub(text, text)
  const { abs, bitwiseNot, erf, exp, exp2, ln, log2, log10, neg, pos, sqrt } = core
  const { arccos, arccosh, arcsin, arcsinh, arctan, arctanh } = core
  const { cos, cosh, sin, sinh, tan, tanh } = core
  const operators = [
    ...[abs, bitwiseNot, erf, exp, exp2, ln, log2, log10, neg, pos, sqrt],
    ...[arccos, arccosh, arcsin, arcsinh, arctan, arctanh, cos, cosh, sin, sinh, tan, tanh],
  ]
  for (const operator of operators) expectTypeOf(operator).toEqualTypeOf<typeof sqrt>()
  expectTypeOf(sqrt(n)).toEqualTypeOf<Edge<number>>()
  // @ts-expect-error a text has no root
  sqrt(text)
})

test('comparison and logic', () => {
  for (const operator of [lt, le, gt, ge]) {
    expectTypeOf(operator(n, 1)).toEqualTypeOf<Edge<boolean>>()
    expectTypeOf(operator(text, 'b')).toEqualTypeOf<Edge<boolean>>()
  }
  expectTypeOf(eq(quote, quote)).toEqualTypeOf<Edge<boolean>>()
  expectTypeOf(ne(n, 1)).toEqualTypeOf<Edge<boolean>>()
  expectTypeOf(and(flag, or(flag), not(flag))).toEqualTypeOf<Edge<boolean>>()
  // @ts-expect-error a number is no truth value
  and(flag, n)
})

test('choosing and combining', () => {
  expectTypeOf(map(quote, ({ bid }) => bid)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(map(n, (x) => (x > 0 ? `${x}` : undefined))).toEqualTypeOf<Edge<string>>()
  expectTypeOf(sample(flag, quote)).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(filter(flag, quote)).toEqualTypeOf<Edge<Quote>>()
  const mixed = merge(n, text)
  expectTypeOf(mixed).toEqualTypeOf<Edge<number | string>>()
  const isText = (x: number | string): x is string => typeof x === 'string'
  expectTypeOf(filter(mixed, isText)).toEqualTypeOf<Edge<string>>()
  expectTypeOf(dynamicCast(mixed, (x): x is string => isText(x as string))).toEqualTypeOf<
    Edge<string>
  >()
  expectTypeOf(staticCast<string, number | string>(mixed)).toEqualTypeOf<Edge<string>>()
  expectTypeOf(split(flag, quote)).toEqualTypeOf<{
    readonly true: Edge<Quote>
    readonly false: Edge<Quote>
  }>()
  expectTypeOf(withDefault(n, 'none')).toEqualTypeOf<Edge<number | string>>()
  expectTypeOf(firstN(quote, 1)).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(dropDups(quote)).toEqualTypeOf<Edge<Quote>>()
  // @ts-expect-error only numbers have a least difference
  dropDups(text, { eps: 1 })
  expectTypeOf(dropNans(n)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(gate(quote, flag)).toEqualTypeOf<Edge<readonly Quote[]>>()
  expectTypeOf(collect([n, n])).toEqualTypeOf<Edge<readonly number[]>>()
  expectTypeOf(unroll(list)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(flatten([quote, quote])).toEqualTypeOf<Edge<Quote>>()
  // @ts-expect-error only lists are taken apart
  unroll(n)
})

test('time and state', () => {
  expectTypeOf(count(quote)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(accum(n)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(accum(text, '')).toEqualTypeOf<Edge<string>>()
  expectTypeOf(delay(quote, ticks(1))).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(diff(n, ms(1))).toEqualTypeOf<Edge<number>>()
  expectTypeOf(times(quote)).toEqualTypeOf<Edge<Timestamp>>()
  expectTypeOf(timesNs(quote)).toEqualTypeOf<Edge<bigint>>()
  expectTypeOf(history(quote, ticks(2))).toEqualTypeOf<Edge<History<Quote>>>()
  expectTypeOf(wrapFeedback(quote)).toEqualTypeOf<Edge<Quote>>()
  const loop = feedback<Quote>(graph)
  expectTypeOf(loop.out).toEqualTypeOf<Edge<Quote>>()
  expectTypeOf(loop.bind).parameters.toEqualTypeOf<[Edge<Quote>]>()
  expectTypeOf(delayedEdge<Quote>(graph)).toExtend<Edge<Quote>>()
  expectTypeOf(delayedCollect<Quote>(graph).output).toEqualTypeOf<Edge<readonly Quote[]>>()
  expectTypeOf(delayedDemultiplex(quote, text).get('a')).toEqualTypeOf<Edge<Quote>>()
})

test('baskets and structs', () => {
  expectTypeOf(multiplex({ a: n, b: n }, text)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(demultiplex(quote, text, ['a', 'b'])).toEqualTypeOf<{
    readonly a: Edge<Quote>
    readonly b: Edge<Quote>
  }>()
  expectTypeOf(sync({ a: n, b: text }, ms(1)).b).toEqualTypeOf<Edge<string>>()
  expectTypeOf(sampleBasket(flag, { a: n, b: text }).a).toEqualTypeOf<Edge<number>>()
  expectTypeOf(structField(quote, 'bid')).toEqualTypeOf<Edge<number>>()
  expectTypeOf(structField(quote, 'note')).toEqualTypeOf<Edge<string>>()
  // @ts-expect-error a quote has no such field
  structField(quote, 'ask')
  expectTypeOf(getBasketField({ a: quote }, 'bid').a).toEqualTypeOf<Edge<number>>()
  const fields = { symbol: text, bid: n }
  expectTypeOf(structFromTs(fields)).toEqualTypeOf<Edge<Partial<{ symbol: string; bid: number }>>>()
  expectTypeOf(structCollectTs(fields)).toEqualTypeOf<
    Edge<Partial<{ symbol: string; bid: number }>>
  >()
})

test('keys that come and go', () => {
  const keys = dynamicDemultiplex(quote, text)
  expectTypeOf(keys).toEqualTypeOf<DynamicBasket<string, Quote>>()
  expectTypeOf(dynamicCollect(keys)).toEqualTypeOf<Edge<ReadonlyMap<string, Quote>>>()
  const bids = dynamic(keys, { rate: snap(n), text }, ({ edge, key }, { rate, text }) => {
    expectTypeOf(edge).toEqualTypeOf<Edge<Quote>>()
    expectTypeOf(key).toEqualTypeOf<string>()
    expectTypeOf(rate).toEqualTypeOf<number>()
    expectTypeOf(text).toEqualTypeOf<Edge<string>>()
    return structField(edge, 'bid')
  })
  expectTypeOf(bids).toEqualTypeOf<DynamicBasket<string, number>>()
  const both = dynamicOutputs<{ bid: number; symbol: string }>()(
    keys,
    {},
    ['bid', 'symbol'],
    ({ edge }) => ({ bid: structField(edge, 'bid'), symbol: structField(edge, 'symbol') }),
  )
  expectTypeOf(both.symbol).toEqualTypeOf<DynamicBasket<string, string>>()
  sink('keys', { keys }, ({ keys }) => {
    expectTypeOf(keys.value).toEqualTypeOf<BasketView<string, Quote>>()
    return () => undefined
  })
})

test('nodes of all kinds', () => {
  const inputs = { n, text: passive(text), list: [n, n], keyed: { a: flag } }
  const one = node('one', inputs, ({ n, text, list, keyed }, context) => {
    expectTypeOf(n.value).toEqualTypeOf<number>()
    expectTypeOf(text.value).toEqualTypeOf<string>()
    expectTypeOf(list[0]?.value).toEqualTypeOf<number | undefined>()
    expectTypeOf(keyed.a.value).toEqualTypeOf<boolean>()
    expectTypeOf(context.alarm<Quote>().value).toEqualTypeOf<Quote>()
    return () => (n.ticked ? text.value : undefined)
  })
  expectTypeOf(one).toEqualTypeOf<Edge<string>>()
  const { even, odd } = multiNode<{ even: number; odd: string }>()(
    'two',
    { n },
    ['even', 'odd'],
    ({ n }, out) =>
      () => {
        expectTypeOf(out.odd.emit).parameters.toEqualTypeOf<[string]>()
        out.even.emit(n.value)
      },
  )
  expectTypeOf(even).toEqualTypeOf<Edge<number>>()
  expectTypeOf(odd).toEqualTypeOf<Edge<string>>()
  const basket = basketNode<number, string>()('basket', { text }, ({ text }, basket) => () => {
    basket.emit(1, text.value)
  })
  expectTypeOf(basket).toEqualTypeOf<DynamicBasket<number, string>>()
})

test('the world outside', () => {
  expectTypeOf(mapAsync(quote, async ({ bid }) => bid)).toEqualTypeOf<Edge<number>>()
  const feed = adapter(graph, 'feed', () => undefined)
  expectTypeOf(feed).toEqualTypeOf<Adapter>()
  feed.output(quote, (value, time) => {
    expectTypeOf(value).toEqualTypeOf<Quote>()
    expectTypeOf(time).toEqualTypeOf<Timestamp>()
  })
})

test('what ends at a sink', () => {
  for (const x of [n, [n, text], { n, text }]) {
    expectTypeOf(print('tag', x)).toEqualTypeOf<void>()
    expectTypeOf(log('info', 'tag', x, console)).toEqualTypeOf<void>()
  }
  // @ts-expect-error there is no such level
  log('loud', 'tag', n)
  // @ts-expect-error a value is not an edge
  expect(() => print('tag', 1)).toThrow()
  expectTypeOf(stopEngine(quote, { dynamic: true })).toEqualTypeOf<void>()
  expectTypeOf(scheduleOnEngineStop(graph, () => undefined)).toEqualTypeOf<void>()
  expectTypeOf(graphOutput('quote', quote, { keep: ticks(1) })).toEqualTypeOf<void>()
  // @ts-expect-error what to keep is a span
  expect(() => graphOutput('late quote', quote, { keep: '1s' })).toThrow()
})

test('runs', () => {
  const empty = new Graph()
  expectTypeOf(simulate(empty)).toEqualTypeOf<RunResult>()
  expectTypeOf(simulateAsync).returns.toEqualTypeOf<Promise<RunResult>>()
  expectTypeOf(realtime).returns.toEqualTypeOf<Run>()
  expectTypeOf<Run['done']>().toEqualTypeOf<Promise<RunResult>>()
  expectTypeOf(simulate(empty).outputs.get('x')).toEqualTypeOf<
    readonly Tick<unknown>[] | undefined
  >()
})

test('parts of a graph', () => {
  const once = memoize((x: Edge<number>, unit: string) => map(x, (value) => `${value} ${unit}`))
  expectTypeOf(once).toEqualTypeOf<(x: Edge<number>, unit: string) => Edge<string>>()
  expectTypeOf(dependsOn(n, text)).toEqualTypeOf<boolean>()
  expectTypeOf(carriesBasket(n)).toEqualTypeOf<boolean | undefined>()
  expectTypeOf(describe(graph)).toEqualTypeOf<GraphDescription>()
  expectTypeOf(toDot(describe(graph))).toEqualTypeOf<string>()
  expectTypeOf(toMermaid(describe(graph))).toEqualTypeOf<string>()
})

test('time', () => {
  for (const unit of [micros, ms, seconds, minutes, hours, days]) {
    expectTypeOf(unit).toEqualTypeOf<(n: number) => Duration>()
  }
  expectTypeOf(timestampOf).parameters.toEqualTypeOf<[Date | string]>()
  expectTypeOf(isoOf(wallNow())).toEqualTypeOf<string>()
  expectTypeOf(wallClock()).toExtend<Clock>()
  expectTypeOf(manualClock()).toEqualTypeOf<ManualClock>()
})

test('statistics', () => {
  const { mean, median, rank, argmax, unique, skew, stddev, cov, corr, ema, emaCov } = stats
  const window = { interval: ticks(5), minWindow: ticks(2), trigger: flag, sampler: flag }
  for (const statistic of [mean, median, rank, skew, stddev, unique]) {
    expectTypeOf(statistic(n, window)).toEqualTypeOf<Edge<number>>()
  }
  expectTypeOf(argmax(n)).toEqualTypeOf<Edge<Timestamp>>()
  expectTypeOf(cov(n, n, { ddof: 0 })).toEqualTypeOf<Edge<number>>()
  expectTypeOf(corr(n, n)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(ema(n, { alpha: 0.5 })).toEqualTypeOf<Edge<number>>()
  expectTypeOf(emaCov(n, n, { halflife: ms(5) })).toEqualTypeOf<Edge<number>>()
  expectTypeOf(stats.quantile(n, 0.5)).toEqualTypeOf<Edge<number>>()
  expectTypeOf(stats.quantile(n, [0.5])).toEqualTypeOf<readonly Edge<number>[]>()
  expectTypeOf(stats.crossSectional(n)).toEqualTypeOf<Edge<readonly number[]>>()
  expectTypeOf(stats.covMatrix([n, n])).toEqualTypeOf<Edge<stats.Matrix>>()
  // @ts-expect-error statistics are of numbers
  mean(text)
  // @ts-expect-error a median has no weights
  median(n, { weights: n })
})

function never(): never {
  throw new Error('not called')
}
