import { type Edge, type Graph, ms, type Span, stats, ticks } from '@gw/core'
import type { SpanText } from './case.js'
import { type Call, edgeAt, isDuration, type Result, spanParam } from './typed-edge.js'

type Options = { [option: string]: unknown }
type Statistic = (graph: Graph, call: Call) => Result

/** Names of options that are spelled differently. */
const RENAMED: { readonly [param: string]: string } = {
  min_window: 'minWindow',
  ignore_na: 'ignoreNa',
  min_data_points: 'minDataPoints',
  return_most_recent: 'returnMostRecent',
  na_option: 'naOption',
  allow_non_overlapping: 'allowNonOverlapping',
  min_periods: 'minPeriods',
}

const float = (edge: Edge<unknown>): Result => ({ edge, type: 'float' })
const numberAt = (call: Call, i: number): Edge<number> => edgeAt<number>(call, i, 'int', 'float')

function spanOf(span: SpanText): Span {
  return isDuration(span) ? ms(span.ms) : ticks(span)
}

/** Options in our spelling; `omitted` are those that are no options here. */
function optionsOf(call: Call, ...omitted: readonly string[]): Options {
  const options: Options = {}
  for (const [name, value] of Object.entries(call.params)) {
    if (value !== null && !omitted.includes(name)) options[RENAMED[name] ?? name] = value
  }
  for (const name of ['interval', 'min_window']) {
    const span = spanParam(call, name)
    if (span !== undefined) options[RENAMED[name] ?? name] = spanOf(span)
  }
  for (const [name, { edge, type }] of Object.entries(call.named)) {
    if (name === 'weights' && type !== 'int' && type !== 'float') {
      throw new TypeError(`weights are numbers, not ${type}`)
    }
    options[name] = edge
  }
  return options
}

function windowed(
  statistic: (x: Edge<number>, options: Options) => Edge<unknown>,
  ...omitted: readonly string[]
): Statistic {
  return (_graph, call) => float(statistic(numberAt(call, 0), optionsOf(call, ...omitted)))
}

function paired(
  statistic: (x: Edge<number>, y: Edge<number>, options: Options) => Edge<unknown>,
): Statistic {
  return (_graph, call) => float(statistic(numberAt(call, 0), numberAt(call, 1), optionsOf(call)))
}

function decayed(
  statistic: (x: Edge<number>, options: stats.EmaCovOptions) => Edge<number>,
): Statistic {
  return (_graph, call) => float(statistic(numberAt(call, 0), decayOf(call)))
}

function decayOf(call: Call): stats.EmaCovOptions {
  const options = optionsOf(call, 'halflife')
  const halflife = spanParam(call, 'halflife')
  if (halflife !== undefined) options.halflife = spanOf(halflife)
  return options
}

/** `stats.NAME` of the cases. */
export const statistics: { readonly [op: string]: Statistic } = {
  'stats.count': windowed(stats.count),
  // Ours is always as precise.
  'stats.sum': windowed(stats.sum, 'precise'),
  'stats.mean': windowed(stats.mean),
  'stats.gmean': windowed(stats.gmean),
  'stats.prod': windowed(stats.prod),
  'stats.first': windowed(stats.first),
  'stats.last': windowed(stats.last),
  'stats.min': windowed(stats.min),
  'stats.max': windowed(stats.max),
  'stats.median': windowed(stats.median),
  'stats.rank': windowed(stats.rank),
  'stats.unique': windowed(stats.unique),
  'stats.var': windowed(stats.variance),
  'stats.stddev': windowed(stats.stddev),
  'stats.sem': windowed(stats.sem),
  'stats.skew': windowed(stats.skew),
  'stats.kurt': windowed(stats.kurt),
  'stats.cross_sectional': (_graph, call) => ({
    edge: stats.crossSectional(numberAt(call, 0), optionsOf(call)),
    type: 'float[]',
  }),
  'stats.argmin': (_graph, call) => ({
    edge: stats.argmin(numberAt(call, 0), optionsOf(call, 'ignore_na')),
    type: 'time',
  }),
  'stats.argmax': (_graph, call) => ({
    edge: stats.argmax(numberAt(call, 0), optionsOf(call, 'ignore_na')),
    type: 'time',
  }),
  'stats.cov': paired(stats.cov),
  'stats.corr': paired(stats.corr),
  'stats.ema': decayed(stats.ema),
  'stats.ema_var': decayed(stats.emaVar),
  'stats.ema_std': decayed(stats.emaStd),
  'stats.ema_cov': (_graph, call) =>
    float(stats.emaCov(numberAt(call, 0), numberAt(call, 1), decayOf(call))),
  'stats.quantile': (_graph, call) => {
    const { quant } = call.params
    const x = numberAt(call, 0)
    const options = optionsOf(call, 'quant')
    if (typeof quant === 'number') return float(stats.quantile(x, quant, options))
    if (!Array.isArray(quant)) throw new TypeError('quant is a number or a list of numbers')
    const edges = stats.quantile(x, quant as number[], options)
    return Object.fromEntries(edges.map((edge, i) => [String(i), { edge, type: 'float' }]))
  },
}
