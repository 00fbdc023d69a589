import { readFileSync } from 'node:fs'
import * as core from '@gw/core'
import { expect, test } from 'vitest'

const page = readFileSync(new URL('../../../docs/csp-names.md', import.meta.url), 'utf8')

/** The rows of the tables with three columns: a name of csp, and ours. */
const rows = [...page.matchAll(/^\| `(\w+)` \| (.+?) \| (.*?) ?\|$/gm)].map(
  ([, csp = '', ours = '', differs = '']) => ({ csp, ours, differs }),
)

/** `__all__` of these modules in csp 0.19.1. */
const CSP = {
  baselib:
    'DelayedCollect DelayedDemultiplex LogSettings accum apply cast_int_to_float collect const count default delay demultiplex diff drop_dups drop_nans dynamic_cast dynamic_collect dynamic_demultiplex exprtk filter firstN flatten gate get_basket_field log merge multiplex null_ts print sample schedule_on_engine_stop split static_cast stop_engine struct_collectts struct_field struct_fromts timer times times_ns unroll wrap_feedback',
  basketlib: 'sync sync_dict sync_list sample_basket sample_dict sample_list',
  curve: 'curve',
  math: 'abs add and_ arccos arccosh arcsin arcsinh arctan arctanh bitwise_not cos cosh divide eq erf exp exp2 floordiv ge gt le ln log10 log2 lt max min mod multiply ne neg not_ or_ pos pow sin sinh sqrt sub tan tanh',
  stats:
    'count unique first last sum prod mean gmean quantile median min max argmin argmax rank cov var corr stddev sem skew kurt ema ema_var ema_std ema_cov cov_matrix corr_matrix cross_sectional list_to_numpy numpy_to_list',
  builtins:
    'num_ticks ticked valid make_passive make_active value_at time_at item_at values_at times_at items_at set_buffering_policy alarm schedule_alarm reschedule_alarm cancel_alarm now remove_dynamic_key in_realtime engine_start_time engine_end_time is_configured_realtime set_capture_cpp_backtrace output state start stop engine_stats',
  graphs:
    'UNSET DynamicEnum Enum set_print_full_exception_stack GenericPushAdapter csp_memoized memoize Struct OutputBasket Outputs PushMode attach DynamicBasket snapkey snap ts DelayedEdge add_graph_output build_graph dynamic feedback graph node numba_node run run_on_thread clear_global_context new_global_context show_graph',
}

test.each(Object.entries(CSP))('the page has every name of %s, once', (_module, names) => {
  for (const name of names.split(' ')) {
    const times = rows.filter((row) => row.csp === name).length
    // Some are both an operator and a statistic.
    const expected = Object.values(CSP).filter((all) => all.split(' ').includes(name)).length
    expect([name, times]).toEqual([name, expected])
  }
})

test('the page names nothing else', () => {
  const known = new Set(Object.values(CSP).flatMap((names) => names.split(' ')))
  expect(rows.filter(({ csp }) => !known.has(csp))).toEqual([])
})

/** What a node has in its hands, by the names that the page gives it. */
function inHand(): { readonly [name: string]: object } {
  const found: { [name: string]: object } = {}
  const graph = new core.Graph()
  const x = core.constant(graph, 1)
  core.sink('look', { x, past: core.history(x, core.ticks(2)) }, ({ x, past }, context) => {
    found.alarm = context.alarm()
    return () => Object.assign(found, { context, input: x, past: past.value })
  })
  const basket = core.basketNode<string, number>()('basket', { x }, (_inputs, output) => {
    found.output = output
    return () => undefined
  })
  core.sink('read', { basket }, () => () => undefined)
  core.simulate(graph)
  return found
}

test('what the page calls ours is there', () => {
  const places: { readonly [name: string]: object } = { stats: core.stats, ...inHand() }
  for (const { csp, ours, differs } of rows) {
    if (ours === 'none') {
      expect([csp, differs === '']).toEqual([csp, false])
      continue
    }
    const names = [...ours.matchAll(/`([\w.]+)`/g)].map(([, name = '']) => name)
    expect([csp, names.length > 0]).toEqual([csp, true])
    for (const name of names) {
      const [place, member] = name.split('.')
      const exists =
        member === undefined ? name in core : member in (places[place as string] as object)
      expect([name, exists]).toEqual([name, true])
    }
  }
})

test('every operator and statistic stands in the page', () => {
  const index = readFileSync(new URL('../src/index.ts', import.meta.url), 'utf8')
  const operators = [...index.matchAll(/export \{([^}]+)\} from '.\/operators\//g)]
    .flatMap(([, names = '']) => names.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '' && !name.startsWith('type '))
  expect(operators.length).toBeGreaterThan(70)
  const text = [...page.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code).join(' ')
  const isNamed = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(text)
  // The one that csp has nothing for.
  expect(operators.filter((name) => !isNamed(name))).toEqual(['mapAsync'])
  expect(Object.keys(core.stats).filter((name) => !isNamed(`stats\\.${name}`))).toEqual([])
})
