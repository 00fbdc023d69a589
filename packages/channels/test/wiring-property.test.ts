import {
  type BasketView,
  constant,
  curve,
  dynamicCollect,
  dynamicDemultiplex,
  type Edge,
  Graph,
  graphOutput,
  map,
  node,
} from '@gw/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  ChannelsError,
  type ChannelsErrorCode,
  channel,
  defineChannels,
  dynamicBasket,
  Gateway,
  type Module,
  type StateView,
} from '../src/index.js'
import {
  type Call,
  type ChannelPlan,
  type Expression,
  interpret,
  type ModulePlan,
  NODE_TICKS,
  nameOf,
  type Outcome,
  type Program,
  type Rec,
  type SlotPlan,
} from './interpreter.js'
import { type Any, inCycles, loose, T0 } from './support.js'

const RecSchema = z.object({ k: z.string(), v: z.number() })
const small = fc.nat({ max: 4 })
const record = fc.record({ k: fc.constantFrom('x', 'y'), v: small })

/** Mostly what is right, and now and then a mistake. */
const mostly = <T>(right: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 40, arbitrary: right }, { weight: 1, arbitrary: wrong })

const slot: fc.Arbitrary<SlotPlan> = fc.record({
  channel: small,
  key: mostly(fc.constantFrom('A' as const, 'B' as const), fc.constant('Z' as const)),
})
const source = fc.record({
  kind: fc.constant('source' as const),
  ticks: fc
    .array(fc.tuple(fc.integer({ min: 1, max: 3 }), record), { maxLength: 4 })
    .map((ticks) => ticks.sort(([a], [b]) => a - b)),
})
const stateName = fc.constantFrom('s0', 's1', 'c0', 'c1')
const expression: fc.Arbitrary<Expression> = fc.oneof(
  source,
  source,
  fc.record({ kind: fc.constant('step' as const), of: slot }),
  fc.record({ kind: fc.constant('join' as const), of: slot, and: slot }),
  fc.record({ kind: fc.constant('size' as const), state: stateName }),
)
const by = mostly(fc.constantFrom('k' as const, 'v' as const), fc.constant('zz' as const))
const set = fc.record({
  call: fc.constant('set' as const),
  slot,
  to: expression,
  whole: fc.boolean(),
})
const call: fc.Arbitrary<Call> = fc.oneof(
  { weight: 60, arbitrary: set },
  { weight: 10, arbitrary: fc.record({ call: fc.constant('get' as const), slot }) },
  { weight: 10, arbitrary: fc.record({ call: fc.constant('send' as const), channel: small }) },
  { weight: 3, arbitrary: fc.record({ call: fc.constant('stage' as const), channel: small }) },
  {
    weight: 12,
    arbitrary: fc.record({
      call: fc.constant('state' as const),
      channel: small,
      by,
      alias: fc.constantFrom(undefined, 's0', 's1'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({ call: fc.constant('noEdge' as const), channel: small }),
      fc.record({ call: fc.constant('otherGraph' as const), slot }),
      fc.record({ call: fc.constant('throw' as const) }),
    ),
  },
)
const rarely = fc.nat({ max: 19 }).map((n) => n === 0)
const often = rarely.map((is) => !is)
const channelPlan: fc.Arbitrary<ChannelPlan> = fc.record({
  kind: fc.constantFrom('single', 'single', 'list', 'fixed', 'open', 'dynamic'),
  required: fc.boolean(),
  readOnly: rarely,
  send: fc.nat({ max: 4 }).map((n) => n === 0),
  stage: rarely,
  state: fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 10, arbitrary: by }),
})
const modulePlan: fc.Arbitrary<ModulePlan> = fc.record({
  enabled: often,
  requires: fc.oneof(
    { weight: 20, arbitrary: fc.constant(undefined) },
    { weight: 30, arbitrary: fc.constant([]) },
    { weight: 10, arbitrary: fc.constant(['c0']) },
    { weight: 1, arbitrary: fc.constant(['nope']) },
  ),
  keys: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant(['A', 'B'] as ('A' | 'B')[]) },
  ),
  keysOf: small,
  blockUntil: fc.constantFrom(undefined, undefined, undefined, 2),
  calls: fc.array(call, { maxLength: 5 }),
})
const program: fc.Arbitrary<Program> = fc
  .record({
    channels: fc.array(channelPlan, { minLength: 1, maxLength: 5 }),
    modules: fc.array(modulePlan, { minLength: 1, maxLength: 4 }),
  })
  .map(({ channels, modules }) => ({
    channels,
    // Keys are mostly announced of baskets that take them.
    modules: modules.map((module) => {
      const open = channels.findIndex(({ kind }) => kind === 'open')
      return open === -1 || module.keysOf === 4
        ? { ...module, keys: open === -1 && module.keysOf < 4 ? [] : module.keys }
        : { ...module, keysOf: open }
    }),
  }))

test('ten thousand random gateways start and tick as an obvious interpreter says, or fail with the code of their mistake', async () => {
  const seen = new Map<ChannelsErrorCode | undefined, number>()
  await fc.assert(
    fc.asyncProperty(program, async (plan) => {
      const expected = interpret(plan)
      seen.set(expected.code, (seen.get(expected.code) ?? 0) + 1)
      expect(await outcomeOf(plan)).toEqual(expected)
    }),
    { numRuns: 10_000 },
  )
  // Enough of each kind to mean something.
  expect(seen.get(undefined)).toBeGreaterThan(2_000)
  const codes: readonly ChannelsErrorCode[] = [
    'INVALID_CONTRACT',
    'UNKNOWN_CHANNEL',
    'UNKNOWN_KEY',
    'WRONG_EDGE',
    'READ_ONLY',
    'CONFLICTING_STATE',
    'MODULE_FAILED',
    'MISSING_PROVIDER',
    'NO_STATE',
  ]
  for (const code of codes) expect([code, (seen.get(code) ?? 0) > 10]).toEqual([code, true])
}, 120_000)

/** What the gateway does with a program. */
async function outcomeOf(plan: Program): Promise<Outcome> {
  try {
    const channels = defineChannels(
      Object.fromEntries(plan.channels.map((one, i) => [`c${i}`, declared(one)])),
    )
    const modules = plan.modules.map((one, i) => moduleOf(one, `m${i}`, plan))
    const names: string[] = []
    const recorder = loose(
      'recorder',
      (c) => {
        const edges: Record<string, Edge<unknown>> = {}
        for (const name of c.names) {
          const got = c.getChannel(name)
          const shape = c.shapeOf(name)
          if (shape === 'dynamicBasket')
            edges[name] = map(dynamicCollect(got), (ticked) => Object.fromEntries(ticked as Any))
          else if (shape !== 'basket') edges[name] = got
          else for (const key of c.keysOf(name)) edges[`${name}/${key}`] = got[key]
        }
        names.push(...Object.keys(edges))
        if (Object.keys(edges).length > 0) graphOutput('cycles', inCycles(edges))
      },
      { requires: [] },
    )
    const gateway = new Gateway({ channels, modules: [...modules, recorder] as never })
    const { outputs, channels: live } = await gateway.simulate({ start: T0 })
    const { channels: described } = gateway.description
    // What nobody provides has no state to be read.
    const states = described.flatMap((one) =>
      one.states.map((name) => [name, one.status === 'wired' ? (live as Any).query(name) : []]),
    )
    return {
      code: undefined,
      cycles: (outputs.get('cycles') ?? []).map(([time, value]) => [
        time - T0,
        value as object as Any,
      ]),
      feedbacks: Object.fromEntries(described.map(({ name, feedbacks }) => [name, feedbacks])),
      states: Object.fromEntries(states),
    }
  } catch (error) {
    if (error instanceof ChannelsError) return { code: error.code }
    throw error
  }
}

function declared({ kind, ...rest }: ChannelPlan): Any {
  const { state, ...flags } = rest
  const options: Any = { ...flags, ...(state === undefined ? {} : { state: { by: state } }) }
  if (kind === 'list') return channel(z.array(RecSchema), options)
  if (kind === 'fixed') return basket(['A', 'B'], RecSchema, options)
  if (kind === 'dynamic') return dynamicBasket(RecSchema, options)
  return kind === 'open' ? basket(RecSchema, options) : channel(RecSchema, options)
}

function moduleOf(plan: ModulePlan, name: string, program: Program): Module<never> {
  const { enabled, requires, keys, keysOf, blockUntil, calls } = plan
  return loose(
    name,
    (c) => {
      for (const one of calls) perform(c, one, program)
    },
    {
      enabled,
      ...(requires === undefined ? {} : { requires }),
      ...(blockUntil === undefined ? {} : { blockSetChannelsUntil: T0 + blockUntil }),
      ...(keys.length === 0 ? {} : { dynamicKeys: () => ({ [nameOf(keysOf, program)]: keys }) }),
    },
  )
}

/** What ticks on a channel. */
type Got = Rec | readonly Rec[] | BasketView<string, Rec>

function perform(c: Any, one: Call, program: Program): void {
  const at = ({ channel: i, key }: SlotPlan): readonly [string, string | undefined] => {
    const name = nameOf(i, program)
    return [name, c.shapeOf(name) === 'basket' || key === 'Z' ? key : undefined]
  }
  const get = (of: SlotPlan): Edge<Got> => c.getChannel(...at(of))
  switch (one.call) {
    case 'get':
      get(one.slot)
      return
    case 'set': {
      const edge = edgeOf(c, one.to, get)
      const [name, key] = at(one.slot)
      const shape = c.shapeOf(name)
      const value =
        shape === 'list'
          ? node('list', { edge }, ({ edge }) => () => [edge.value])
          : shape === 'dynamicBasket'
            ? dynamicDemultiplex(
                edge,
                map(edge, ({ k }) => k),
              )
            : edge
      if (one.whole && key !== undefined && c.shapeOf(name) === 'basket')
        c.setChannel(name, { [key]: value })
      else c.setChannel(name, value, key)
      return
    }
    case 'send':
      c.addSendChannel(nameOf(one.channel, program))
      return
    case 'stage':
      c.setStage(nameOf(one.channel, program))
      return
    case 'state':
      c.setState(nameOf(one.channel, program), {
        by: one.by,
        ...(one.alias === undefined ? {} : { alias: one.alias }),
      })
      return
    case 'noEdge':
      c.setChannel(nameOf(one.channel, program), 3)
      return
    case 'otherGraph':
      c.setChannel(at(one.slot)[0], constant(new Graph(), { k: 'x', v: 1 }), at(one.slot)[1])
      return
    case 'throw':
      throw new Error('a mistake')
  }
}

function edgeOf(c: Any, to: Expression, get: (of: SlotPlan) => Edge<Got>): Edge<Rec> {
  const recordOf = (value: Got): Rec => {
    if (!('ticked' in value)) return ([value].flat() as Rec[]).at(-1) as Rec
    const [first] = [...value.keys()].sort()
    return value.get(first as string) as Rec
  }
  const bounded = (compute: () => Rec | undefined): (() => Rec | undefined) => {
    let left = NODE_TICKS
    return () => {
      const value = left > 0 ? compute() : undefined
      if (value !== undefined) left--
      return value
    }
  }
  switch (to.kind) {
    case 'source':
      return curve(c.graph, to.ticks, { relative: true })
    case 'step':
      return node('step', { x: get(to.of) }, ({ x }) =>
        bounded(() => ({ k: recordOf(x.value).k, v: recordOf(x.value).v + 1 })),
      )
    case 'join':
      return node('join', { a: get(to.of), b: get(to.and) }, ({ a, b }) =>
        bounded(() =>
          a.valid && b.valid
            ? { k: recordOf(a.value).k, v: recordOf(a.value).v + recordOf(b.value).v }
            : undefined,
        ),
      )
    case 'size':
      return node('size', { s: c.getState(to.state) as Edge<StateView<Rec>> }, ({ s }) =>
        bounded(() => ({ k: to.state, v: s.value.size })),
      )
  }
}
