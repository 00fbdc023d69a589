import {
  type AlarmHandle,
  basketNode,
  type Duration,
  type DynamicBasket,
  type Edge,
  type Graph,
  history,
  ms,
  multiNode,
  node,
  passive,
  source,
  ticks,
} from '@gw/core'
import { type Call, edgeAt, elementsAt, isDuration, type Result } from './typed-edge.js'
import { millisecondsOf } from './values.js'

type TestNode = (graph: Graph, call: Call) => Result

const int = (edge: Edge<unknown>): Result => ({ edge, type: 'int' })
const intAt = (call: Call, i: number): Edge<number> => edgeAt<number>(call, i, 'int', 'bool')
const edgesAt = (call: Call, i: number): Edge<number>[] => Object.values(intBasketAt(call, i))

function intBasketAt(call: Call, i: number): { readonly [key: string]: Edge<number> } {
  return Object.fromEntries(
    Object.entries(elementsAt(call, i)).map(([key, { edge, type }]) => {
      if (type !== 'int' && type !== 'bool') throw new TypeError(`${key}: ts[${type}] as ts[int]`)
      return [key, edge as Edge<number>]
    }),
  )
}

function numberParam(call: Call, name: string): number {
  const value = call.params[name]
  if (typeof value !== 'number') throw new TypeError(`${name} is a number`)
  return value
}

function durationParam(call: Call, name: string): Duration {
  const value = call.params[name]
  if (!isDuration(value)) throw new TypeError(`${name} is a duration`)
  return ms(value.ms)
}

/** The nodes that the cases are made with, written as a user would write them. */
export const testNodes: { readonly [op: string]: TestNode } = {
  'test.mask': (_graph, call) =>
    int(
      node('mask', { x: edgeAt(call, 0), y: edgeAt(call, 1) }, ({ x, y }) => () => {
        return x.ticked || y.ticked ? (x.ticked ? 1 : 0) + (y.ticked ? 2 : 0) : undefined
      }),
    ),

  'test.valid_mask': (_graph, call) =>
    int(
      node('validMask', { x: edgeAt(call, 0), y: edgeAt(call, 1) }, ({ x, y }) => () => {
        return (x.valid ? 1 : 0) + (y.valid ? 2 : 0)
      }),
    ),

  'test.sum_passive': (_graph, call) =>
    int(
      node('sumPassive', { x: intAt(call, 0), y: passive(intAt(call, 1)) }, ({ x, y }) => () => {
        return x.ticked && x.valid && y.valid ? x.value + y.value : undefined
      }),
    ),

  'test.passive_ticked': (_graph, call) =>
    int(
      node('passiveTicked', { x: intAt(call, 0), y: passive(intAt(call, 1)) }, ({ x, y }) => () => {
        return (x.ticked ? 1 : 0) + (y.ticked ? 2 : 0)
      }),
    ),

  'test.invocations': (_graph, call) =>
    int(
      node('invocations', { x: intAt(call, 0), y: intAt(call, 1) }, () => {
        let runs = 0
        return () => ++runs
      }),
    ),

  'test.passive_after': (_graph, call) => {
    const n = numberParam(call, 'n')
    return int(
      node('passiveAfter', { x: intAt(call, 0), y: intAt(call, 1) }, ({ x, y }, context) => {
        let runs = 0
        let yTicks = 0
        return () => {
          runs++
          if (y.ticked && ++yTicks >= n) context.makePassive(y)
          if (x.ticked) {
            yTicks = 0
            context.makeActive(y)
          }
          return runs
        }
      }),
    )
  },

  'test.alarm_echo': (_graph, call) => {
    const delay = durationParam(call, 'delay')
    return int(
      node('alarmEcho', { x: intAt(call, 0) }, ({ x }, context) => {
        const alarm = context.alarm<number>()
        return () => {
          if (x.ticked) alarm.schedule(delay, x.value)
          return alarm.ticked ? alarm.value : undefined
        }
      }),
    )
  },

  'test.alarm_burst': (_graph, call) => {
    const delay = durationParam(call, 'delay')
    const n = numberParam(call, 'n')
    return int(
      node('alarmBurst', { x: intAt(call, 0) }, ({ x }, context) => {
        const alarm = context.alarm<number>()
        return () => {
          if (x.ticked) for (let i = 0; i < n; i++) alarm.schedule(delay, x.value + i)
          return alarm.ticked ? alarm.value : undefined
        }
      }),
    )
  },

  'test.debounce': (_graph, call) => {
    const delay = durationParam(call, 'delay')
    return int(
      node('debounce', { x: intAt(call, 0) }, ({ x }, context) => {
        const alarm = context.alarm<true>()
        let handle: AlarmHandle | undefined
        return () => {
          if (alarm.ticked) handle = undefined
          if (x.ticked) {
            handle =
              handle === undefined ? alarm.schedule(delay, true) : alarm.reschedule(handle, delay)
          }
          return alarm.ticked ? x.value : undefined
        }
      }),
    )
  },

  'test.alarm_cancel': (_graph, call) => {
    const delay = durationParam(call, 'delay')
    return int(
      node('alarmCancel', { x: intAt(call, 0), c: edgeAt(call, 1) }, ({ x, c }, context) => {
        const alarm = context.alarm<number>()
        let handle: AlarmHandle | undefined
        return () => {
          if (c.ticked && handle !== undefined) {
            alarm.cancel(handle)
            handle = undefined
          }
          if (x.ticked) handle = alarm.schedule(delay, x.value)
          if (!alarm.ticked) return undefined
          handle = undefined
          return alarm.value
        }
      }),
    )
  },

  'test.start_alarm': (graph, call) => {
    const delay = durationParam(call, 'delay')
    const value = numberParam(call, 'value')
    return int(
      source(graph, 'startAlarm', (context) => {
        const alarm = context.alarm<number>()
        alarm.schedule(delay, value)
        return () => alarm.value
      }),
    )
  },

  'test.ticker': (graph, call) => {
    const every = durationParam(call, 'every')
    const n = numberParam(call, 'n')
    return int(
      source(graph, 'ticker', (context) => {
        const alarm = context.alarm<number>()
        alarm.schedule(every, 1)
        return () => {
          if (alarm.value < n) alarm.schedule(every, alarm.value + 1)
          return alarm.value
        }
      }),
    )
  },

  'test.history_ticks': (_graph, call) => {
    const n = numberParam(call, 'n')
    const past = history(intAt(call, 0), ticks(n))
    return {
      edge: node('historyTicks', { past }, ({ past }) => () => {
        const { value } = past
        const length = Math.min(n, value.count)
        return Array.from({ length }, (_, i) => value.value(i))
      }),
      type: 'int[]',
    }
  },

  'test.history_default': (_graph, call) => {
    const n = numberParam(call, 'n')
    const past = history(intAt(call, 0), ticks(n))
    return {
      edge: node('historyDefault', { past }, ({ past }) => () => {
        return Array.from({ length: n }, (_, i) => past.value.value(i, -1))
      }),
      type: 'int[]',
    }
  },

  'test.value_at_time': (_graph, call) => {
    const ago = durationParam(call, 'ago')
    const past = history(intAt(call, 0), durationParam(call, 'history'))
    return int(
      node('valueAtTime', { past: passive(past), q: edgeAt(call, 1) }, ({ past }, context) => {
        return () => (past.valid ? past.value.valueAt(context.now - ago, -1) : -1)
      }),
    )
  },

  'test.time_at': (_graph, call) => {
    const i = numberParam(call, 'i')
    const past = history(intAt(call, 0), ticks(numberParam(call, 'n')))
    return {
      edge: node('timeAt', { past }, ({ past }) => () => {
        return past.value.count > i ? millisecondsOf(past.value.time(i)) : undefined
      }),
      type: 'float',
    }
  },

  'test.fb_sum': (_graph, call) => {
    const limit = numberParam(call, 'limit')
    return int(
      node('fbSum', { x: intAt(call, 0), fb: intAt(call, 1) }, ({ x, fb }) => () => {
        if (x.ticked) return x.value
        return fb.ticked && fb.value < limit ? fb.value + 1 : undefined
      }),
    )
  },

  'test.fb_last': (_graph, call) =>
    int(
      node('fbLast', { x: intAt(call, 0), fb: passive(intAt(call, 1)) }, ({ x, fb }) => () => {
        return x.value + (fb.valid ? fb.value : 0)
      }),
    ),

  'test.two_outputs': (_graph, call) => {
    const { even, odd } = multiNode<{ even: number; odd: number }>()(
      'twoOutputs',
      { x: intAt(call, 0) },
      ['even', 'odd'],
      ({ x }, out) =>
        () => {
          const [mine, other] = x.value % 2 === 0 ? [out.even, out.odd] : [out.odd, out.even]
          mine.emit(x.value)
          if (x.value % 5 === 0) other.emit(-x.value)
        },
    )
    return { even: { edge: even, type: 'int' }, odd: { edge: odd, type: 'int' } }
  },

  'test.basket_sum': (_graph, call) =>
    int(
      node('basketSum', { basket: edgesAt(call, 0) }, ({ basket }) => () => {
        if (!basket.every((element) => element.valid)) return undefined
        return basket.reduce((sum, element) => sum + element.value, 0)
      }),
    ),

  'test.basket_sum_valid': (_graph, call) =>
    int(
      node('basketSumValid', { basket: edgesAt(call, 0) }, ({ basket }) => () => {
        return basket.reduce((sum, element) => sum + (element.valid ? element.value : 0), 0)
      }),
    ),

  'test.basket_ticked_keys': (_graph, call) => {
    const basket = intBasketAt(call, 0)
    return {
      edge: node('basketTickedKeys', { basket }, ({ basket }) => () => {
        return Object.keys(basket)
          .filter((key) => basket[key]?.ticked === true)
          .sort()
      }),
      type: 'str[]',
    }
  },

  'test.stop_at': (_graph, call) => {
    const at = numberParam(call, 'at')
    return int(
      node('stopAt', { x: intAt(call, 0) }, ({ x }, context) => () => {
        if (x.value === at) context.stopEngine()
        return x.value
      }),
    )
  },

  'test.raise_at': (_graph, call) => {
    const at = numberParam(call, 'at')
    return int(
      node('raiseAt', { x: intAt(call, 0) }, ({ x }) => () => {
        if (x.value === at) throw new Error('boom')
        return x.value
      }),
    )
  },
}

/** The basket of the dynamic cases: keys come with ticks of `x` and go with ticks of `remove`. */
export function keyed(
  x: Edge<unknown>,
  key: Edge<string>,
  remove: Edge<string>,
): DynamicBasket<string, unknown> {
  return basketNode<string, unknown>()(
    'keyed',
    { x, key, remove },
    ({ x, key, remove }, basket) =>
      () => {
        if (remove.ticked && basket.has(remove.value)) basket.remove(remove.value)
        if (x.ticked && key.valid && !(remove.ticked && remove.value === key.value)) {
          basket.emit(key.value, x.value)
        }
      },
  )
}
