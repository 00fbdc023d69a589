import {
  constant,
  count,
  curve,
  type Edge,
  graphOutput,
  map,
  node,
  seconds,
  source,
} from '@gw/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  ChannelsError,
  type ChannelsErrorCode,
  channel,
  defineChannels,
  dynamicBasket,
  field,
  Gateway,
  type Module,
  struct,
} from '../src/index.js'
import { type Any, inCycles, loose, simulated, T0, values } from './support.js'

const number = z.number()
const channels = defineChannels({
  a: channel(number),
  b: channel(number),
  c: channel(number),
  list: channel(z.array(number)),
  fixed: basket(['A', 'B'], number),
  announced: basket(number),
  living: dynamicBasket(number),
  optional: channel(number, { required: false }),
  settings: field(z.object({ name: z.string() }), { name: 'demo' }),
})

type Ticks = readonly (readonly [number, unknown])[]

function set(
  name: string,
  ticks: Ticks,
  key?: string,
  module = `set ${name}`,
): Module<never> & Module {
  return loose(module, (c) => {
    c.setChannel(
      name,
      curve(c.graph, ticks, { relative: true }),
      ...(key === undefined ? [] : [key]),
    )
  })
}

function get(module: string, ...names: readonly string[]): Module<never> & Module {
  return loose(module, (c) => {
    for (const name of names) {
      const [channelName, key] = name.split('/')
      key === undefined ? c.getChannel(channelName) : c.getChannel(channelName, key)
    }
  })
}

async function failure(
  modules: readonly Module<never>[],
  code: ChannelsErrorCode,
): Promise<ChannelsError> {
  const gateway = new Gateway({ channels, modules: modules as unknown as Module[] as never })
  const error = await gateway.simulate({ start: T0 }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ChannelsError)
  expect((error as ChannelsError).code).toBe(code)
  return error as ChannelsError
}

describe('getting and setting', () => {
  const producer = set('a', [[1, 7]])
  const consumer = loose('double', (c) => {
    c.setChannel(
      'b',
      map(c.getChannel('a') as Edge<number>, (x) => x * 2),
    )
  })

  test('works in any order of the modules', async () => {
    expect(await simulated(channels, [consumer, producer], ['b'])).toEqual({ b: [[T0 + 1, 14]] })
    expect(await simulated(channels, [producer, consumer], ['b'])).toEqual({ b: [[T0 + 1, 14]] })
  })

  test('gives the same edge each time it is got', async () => {
    await simulated(
      channels,
      [
        producer,
        loose(
          'twice',
          (c) => {
            expect(c.getChannel('a')).toBe(c.getChannel('a'))
            expect(c.getChannel('fixed')).toEqual(c.getChannel('fixed'))
            expect(c.getChannel('fixed').A).toBe(c.getChannel('fixed', 'A'))
          },
          { requires: ['a'] },
        ),
      ],
      [],
    )
  })

  test('gives the value of a field', async () => {
    expect.assertions(1)
    await simulated(
      channels,
      [loose('reader', (c) => expect(c.getChannel('settings')).toEqual({ name: 'demo' }))],
      [],
    )
  })

  test('passes one provider on as it is, in the same cycle', async () => {
    const together = loose('together', (c) => {
      graphOutput('cycles', inCycles({ a: c.getChannel('a'), b: c.getChannel('b') }))
    })
    const gateway = new Gateway({ channels, modules: [together, consumer, producer] as never })
    const { outputs } = await gateway.simulate({ start: T0 })
    expect(values(outputs.get('cycles'))).toEqual([{ a: 7, b: 14 }])
  })

  test.each([
    ['an unknown channel', (c: Any) => c.getChannel('nope'), 'UNKNOWN_CHANNEL'],
    [
      'an unknown channel that is set',
      (c: Any) => c.setChannel('nope', c.getChannel('a')),
      'UNKNOWN_CHANNEL',
    ],
    ['an unknown key', (c: Any) => c.getChannel('fixed', 'Z'), 'UNKNOWN_KEY'],
    [
      'a key that nobody announced',
      (c: Any) => c.setChannel('announced', c.getChannel('a'), 'Z'),
      'UNKNOWN_KEY',
    ],
    [
      'a key of a plain channel',
      (c: Any) => c.setChannel('a', c.getChannel('b'), 'Z'),
      'UNKNOWN_KEY',
    ],
    ['a key of a dynamic basket', (c: Any) => c.getChannel('living', 'Z'), 'UNKNOWN_KEY'],
    [
      'a basket that is set to one edge',
      (c: Any) => c.setChannel('fixed', c.getChannel('a')),
      'WRONG_EDGE',
    ],
    [
      'a basket of things that are no edges',
      (c: Any) => c.setChannel('fixed', { A: 3 }),
      'WRONG_EDGE',
    ],
    [
      'a map with a key',
      (c: Any) => c.setChannel('fixed', { A: c.getChannel('a') }, 'A'),
      'WRONG_EDGE',
    ],
    ['no edge', (c: Any) => c.setChannel('a', 3), 'WRONG_EDGE'],
    ['nothing', (c: Any) => c.setChannel('a', undefined), 'WRONG_EDGE'],
    ['an unknown state', (c: Any) => c.getState('nope'), 'NO_STATE'],
    [
      'a state by an unknown attribute',
      (c: Any) => c.setState('a', { by: 'x' }),
      'INVALID_CONTRACT',
    ],
    ['a staged basket', (c: Any) => c.setStage('fixed'), 'INVALID_CONTRACT'],
  ] as const)('refuses %s, naming channel and module', async (_, connect, code) => {
    const error = await failure([loose('culprit', connect, { requires: [] })], code)
    expect(error.module).toBe('culprit')
    expect(error.channel).toBeDefined()
  })

  test('refuses what is called after the wiring', async () => {
    let late: Any
    await simulated(
      channels,
      [
        loose('late', (c) => {
          late = c
        }),
      ],
      [],
    )
    expect(() => late.getChannel('a')).toThrow(expect.objectContaining({ code: 'WIRING_CLOSED' }))
  })

  test('names the module whose connect throws, and keeps the cause', async () => {
    const cause = new Error('boom')
    const error = await failure(
      [
        loose('bad', () => {
          throw cause
        }),
      ],
      'MODULE_FAILED',
    )
    expect(error).toMatchObject({ module: 'bad', cause })
  })
})

test('a key that looks like nothing is a key like others', async () => {
  const keys = ['0', 'false', 'null', 'undefined']
  const odd = defineChannels({ odd: basket(keys, z.number(), { send: true }) })
  const sets = loose('sets', (c) => {
    for (const [i, key] of keys.entries()) c.setChannel('odd', constant(c.graph, i), key)
  })
  const ticks = await simulated(
    odd,
    [sets],
    keys.map((key) => `odd/${key}`),
  )
  expect(keys.map((key) => values(ticks[`odd/${key}`]))).toEqual([[0], [1], [2], [3]])
  const gateway = new Gateway({ channels: odd, modules: [] })
  await gateway.start()
  for (const [i, key] of keys.entries()) gateway.channels.send('odd', i, key)
  expect(gateway.channels.last('odd')).toEqual({ 0: 0, false: 1, null: 2, undefined: 3 })
  expect(gateway.channels.last('odd', '0')).toBe(0)
  await gateway.stop()
})

test('a state of a basket keeps the records of all its keys, or of the one that it names', async () => {
  const Rec = struct('Rec', { k: z.string() })
  const kept = defineChannels({
    all: basket(['A', 'B'], Rec, { send: true }),
    one: basket(['A', 'B'], Rec, { send: true, state: { by: 'k', key: 'B' } }),
  })
  const keeps = loose('keeps', (c) => c.setState('all', { by: 'k' }))
  const gateway = new Gateway<(typeof kept)['channels']>({ channels: kept, modules: [keeps] })
  await gateway.start()
  for (const name of ['all', 'one'] as const) {
    gateway.channels.send(name, { k: 'x' }, 'A')
    gateway.channels.send(name, { k: 'y' }, 'B')
  }
  const keysIn = (state: string) => gateway.channels.query(state as Any).map(({ k }: Any) => k)
  expect(keysIn('all')).toEqual(['x', 'y'])
  expect(keysIn('one')).toEqual(['y'])
  await gateway.stop()
})

describe('several providers', () => {
  test('keep all that ticks in one cycle, in module order, at one time', async () => {
    const ten = set('a', [[1, 10]], undefined, 'ten')
    const twenty = set('a', [[1, 20]], undefined, 'twenty')
    expect(await simulated(channels, [ten, twenty], ['a'])).toEqual({
      a: [
        [T0 + 1, 10],
        [T0 + 1, 20],
      ],
    })
    expect(await simulated(channels, [twenty, ten], ['a'])).toEqual({
      a: [
        [T0 + 1, 20],
        [T0 + 1, 10],
      ],
    })
  })

  test('come in the order of the setChannel calls within a module, however deep their graphs are', async () => {
    const module = loose('deep', (c) => {
      const x = curve(c.graph, [[1, 1]], { relative: true }) as Edge<number>
      c.setChannel(
        'a',
        map(
          map(
            map(x, (v) => v + 1),
            (v) => v + 1,
          ),
          (v) => v + 1,
        ),
      )
      c.setChannel('a', x)
    })
    expect(values((await simulated(channels, [module], ['a'])).a)).toEqual([4, 1])
  })

  test('give every value twice when one edge is set twice', async () => {
    const module = loose('twice', (c) => {
      const x = curve(
        c.graph,
        [
          [1, 5],
          [2, 6],
        ],
        { relative: true },
      )
      c.setChannel('a', x)
      c.setChannel('a', x)
    })
    expect(values((await simulated(channels, [module], ['a'])).a)).toEqual([5, 5, 6, 6])
  })

  test('of a list channel collect into one list, in module order', async () => {
    const one = set(
      'list',
      [
        [1, [1, 2]],
        [2, [9]],
      ],
      undefined,
      'one',
    )
    const two = set('list', [[1, [3]]], undefined, 'two')
    expect(await simulated(channels, [one, two], ['list'])).toEqual({
      list: [
        [T0 + 1, [1, 2, 3]],
        [T0 + 2, [9]],
      ],
    })
  })

  test('may set different keys of a basket, merged key by key', async () => {
    const modules = [
      loose('both', (c) => {
        const x = curve(c.graph, [[1, 1]], { relative: true })
        c.setChannel('fixed', { A: x, B: x })
      }),
      set('fixed', [[1, 2]], 'A'),
    ]
    const ticks = await simulated(channels, modules, ['fixed/A', 'fixed/B'])
    expect(values(ticks['fixed/A'])).toEqual([1, 2])
    expect(values(ticks['fixed/B'])).toEqual([1])
  })
})

describe('what nobody provides', () => {
  test('is an error that names the channel and every module that needs it', async () => {
    const error = await failure([get('first', 'a'), get('second', 'a', 'b')], 'MISSING_PROVIDER')
    expect(error.channel).toBe('a')
    expect(error.message).toContain('"a", which "first", "second" need')
    expect(error.message).toContain('"b", which "second" needs')
  })

  test('is an error even if another module gets it as optional', async () => {
    const optional = loose('printer', (c) => c.getChannel('a'), { requires: [] })
    const error = await failure([optional, get('needy', 'a')], 'MISSING_PROVIDER')
    expect(error.message).toContain('"needy"')
    expect(error.message).not.toContain('"printer"')
  })

  test('is an error for each key of a basket that is provided in part', async () => {
    const error = await failure([set('fixed', [], 'A'), get('needy', 'fixed')], 'MISSING_PROVIDER')
    expect(error.message).toContain('"fixed/B"')
    expect(error.message).not.toContain('"fixed/A"')
  })

  test('is silent for modules that do not require it', async () => {
    const silent = loose('silent', (c) => graphOutput('a', c.getChannel('a')), { requires: [] })
    const gateway = new Gateway({ channels, modules: [silent] as never })
    expect((await gateway.simulate({ start: T0 })).outputs.get('a')).toEqual([])
    const some = loose(
      'some',
      (c) => {
        c.getChannel('a')
        c.getChannel('b')
      },
      { requires: ['b'] },
    )
    expect((await failure([some], 'MISSING_PROVIDER')).message).not.toContain('"a"')
  })

  test('is silent where the contract says that it is optional', async () => {
    await simulated(channels, [get('relaxed', 'optional')], [])
  })

  test('counts as provided when the outside can send or stage', async () => {
    const opening = loose('opening', (c) => {
      c.addSendChannel('a')
      c.setStage('b')
    })
    await simulated(channels, [get('needy', 'a', 'b'), opening], [])
  })

  test('is pruned when nobody gets it either, and said to be', async () => {
    const gateway = new Gateway({
      channels,
      modules: [set('a', []), get('x', 'a'), get('y', 'optional')] as never,
    })
    await gateway.simulate({ start: T0 })
    const status = Object.fromEntries(
      gateway.description.channels.map(({ name, status }) => [name, status]),
    )
    expect(status).toMatchObject({ a: 'wired', optional: 'silent', b: 'pruned', fixed: 'pruned' })
  })

  test('is an error when a module requires an unknown channel', async () => {
    expect(
      (await failure([loose('typo', () => undefined, { requires: ['aa'] })], 'UNKNOWN_CHANNEL'))
        .module,
    ).toBe('typo')
  })
})

describe('loops', () => {
  const upTo4 = (c: Any, from: string): Edge<number> =>
    node(
      'upTo4',
      { x: c.getChannel(from) as Edge<number> },
      ({ x }) =>
        () =>
          x.value < 4 ? x.value + 1 : undefined,
    )

  test('of a channel on itself go round in cycles at one time', async () => {
    const self = loose('self', (c) => c.setChannel('a', upTo4(c, 'a')))
    expect(await simulated(channels, [self, set('a', [[1, 1]])], ['a'])).toEqual({
      a: [1, 2, 3, 4].map((n) => [T0 + 1, n]),
    })
  })

  test('across modules are cut at the provider of the channel that was first set last', async () => {
    const seed = set('a', [[1, 1]])
    const ba = loose('ba', (c) => c.setChannel('a', upTo4(c, 'b')))
    const ab = loose('ab', (c) => c.setChannel('b', upTo4(c, 'a')))
    const watch = loose('watch', (c) => {
      graphOutput('cycles', inCycles({ a: c.getChannel('a'), b: c.getChannel('b') }))
    })
    const run = async (modules: readonly Module<never>[]): Promise<readonly unknown[]> => {
      const gateway = new Gateway({ channels, modules: [...modules, watch] as never })
      const { outputs } = await gateway.simulate({ start: T0 })
      return [
        values(outputs.get('cycles')),
        gateway.description.channels.map(({ feedbacks }) => feedbacks),
      ]
    }
    const [cycles, feedbacks] = await run([seed, ba, ab])
    expect(cycles).toEqual([{ a: 1 }, { a: 3, b: 2 }, { b: 4 }])
    expect(feedbacks).toEqual([[], ['ab'], [], [], [], [], [], []])
    // The same modules in the same order are always cut at the same place; another order may move it.
    expect(await run([seed, ba, ab])).toEqual([cycles, feedbacks])
    const [moved] = await run([ab, ba, seed])
    expect(moved).toEqual([
      { a: 1, b: 2 },
      { a: 3, b: 4 },
    ])
  })

  test('through a state are loops too', async () => {
    const records = defineChannels({
      r: channel(z.object({ k: z.string(), n: z.number() }), { state: { by: 'k' } }),
    })
    const module = loose('through', (c) => {
      c.setChannel('r', curve(c.graph, [[1, { k: 'x', n: 1 }]], { relative: true }))
      c.setChannel(
        'r',
        node('again', { s: c.getState('r') as Edge<Any> }, ({ s }) => () => {
          const n = s.value.get('x').n
          return n < 3 ? { k: 'x', n: n + 1 } : undefined
        }),
      )
    })
    expect(values((await simulated(records, [module], ['r'])).r).map((r: Any) => r.n)).toEqual([
      1, 2, 3,
    ])
  })

  test('that spin at one time are ended with the names of their channels', async () => {
    const spin = loose('spin', (c) =>
      c.setChannel(
        'a',
        map(c.getChannel('b') as Edge<number>, (x) => x + 1),
      ),
    )
    const back = loose('back', (c) =>
      c.setChannel(
        'b',
        map(c.getChannel('a') as Edge<number>, (x) => x + 1),
      ),
    )
    const gateway = new Gateway({
      channels,
      modules: [spin, back, set('a', [[1, 1]]), set('c', [[1, 1]])] as never,
      limits: { cyclesAtOneTime: 1_000 },
    })
    await expect(gateway.simulate({ start: T0 })).rejects.toMatchObject({
      code: 'SPINNING',
      message: expect.stringMatching(/the loop over "a", "b" ticks again/),
    })
  })

  test('a spin that is no loop of the wiring names the channels that tick in it', async () => {
    const spin = loose('spin', (c) =>
      c.setChannel(
        'a',
        source(c.graph, 'alarms', (context) => {
          const alarm = context.alarm<number>()
          alarm.schedule(0, 1)
          return () => {
            alarm.schedule(0, alarm.value + 1)
            return alarm.value
          }
        }),
      ),
    )
    const gateway = new Gateway({
      channels,
      modules: [spin, set('c', [[1, 1]])] as never,
      limits: { cyclesAtOneTime: 1_000 },
    })
    await expect(gateway.simulate({ start: T0 })).rejects.toMatchObject({
      code: 'SPINNING',
      channel: 'a',
      message: expect.stringMatching(/^"a" ticks again/),
    })
  })
})

describe('blocked channels', () => {
  const ticks: Ticks = [
    [1, 1],
    [2, 2],
    [3, 3],
  ]

  test('drop what providers tick before the time, and take what comes at it', async () => {
    const gateway = new Gateway({
      channels,
      modules: [set('a', ticks), loose('out', (c) => graphOutput('a', c.getChannel('a')))].map(
        (module) => ({
          ...module,
          blockSetChannelsUntil: T0 + 2,
        }),
      ) as never,
    })
    expect(values((await gateway.simulate({ start: T0 })).outputs.get('a'))).toEqual([2, 3])
  })

  test('are those of the gateway for modules without a time of their own', async () => {
    const gateway = new Gateway({
      channels,
      blockSetChannelsUntil: '2020-01-01T00:00:00.000003Z',
      modules: [
        set('a', ticks),
        { ...set('b', ticks), blockSetChannelsUntil: T0 },
        loose('out', (c) => {
          graphOutput('a', c.getChannel('a'))
          graphOutput('b', c.getChannel('b'))
        }),
      ] as never,
    })
    const { outputs } = await gateway.simulate({ start: T0 })
    expect(values(outputs.get('a'))).toEqual([3])
    expect(values(outputs.get('b'))).toEqual([1, 2, 3])
  })
})

describe('what modules add', () => {
  test('keys of a basket are merged in order, without repeats', async () => {
    const keys = (name: string, added: readonly string[]): Module<never> & Module =>
      loose(name, () => undefined, { dynamicKeys: () => ({ announced: added }) })
    let seen: readonly string[] = []
    await simulated(
      channels,
      [
        loose(
          'reader',
          (c) => {
            seen = c.keysOf('announced')
          },
          { requires: [] },
        ),
        keys('x', ['b', 'a']),
        keys('y', ['a', 'c']),
      ],
      [],
    )
    expect(seen).toEqual(['b', 'a', 'c'])
  })

  test('keys of anything but such a basket are refused', async () => {
    await failure(
      [loose('x', () => undefined, { dynamicKeys: () => ({ fixed: ['C'] }) })],
      'UNKNOWN_CHANNEL',
    )
  })

  test('channels are shared when they are the same, and may have states', async () => {
    const schema = z.object({ id: z.string(), n: z.number() })
    const add = { dynamicChannels: () => ({ extra: channel(schema, { state: { by: 'id' } }) }) }
    const writer = loose(
      'writer',
      (c) => c.setChannel('extra', curve(c.graph, [[1, { id: 'x', n: 1 }]], { relative: true })),
      add,
    )
    const reader = loose(
      'reader',
      (c) =>
        graphOutput(
          'sizes',
          map(c.getState('extra') as Edge<Any>, (s) => s.size),
        ),
      add,
    )
    const gateway = new Gateway({ channels, modules: [reader, writer] as never })
    expect(values((await gateway.simulate({ start: T0 })).outputs.get('sizes'))).toEqual([1])
  })

  test('channels of one name and different schemas are refused', async () => {
    const add = (schema: z.ZodType): Partial<Module<never>> => ({
      dynamicChannels: () => ({ extra: channel(schema) }),
    })
    const error = await failure(
      [loose('x', () => undefined, add(z.number())), loose('y', () => undefined, add(z.string()))],
      'CONFLICTING_CHANNEL',
    )
    expect(error).toMatchObject({ channel: 'extra', module: 'y' })
    // Two that look alike are two: their checks are functions, which cannot be compared.
    await expect(
      failure(
        [loose('x', () => undefined, add(z.int())), loose('y', () => undefined, add(z.int()))],
        'CONFLICTING_CHANNEL',
      ),
    ).resolves.toMatchObject({ message: expect.stringContaining('import one schema object') })
    await failure(
      [loose('x', () => undefined, { dynamicChannels: () => ({ a: channel(z.string()) }) })],
      'CONFLICTING_CHANNEL',
    )
  })

  test('states can be read by modules that come before', async () => {
    const schema = z.object({ k: z.string() })
    const records = defineChannels({ r: channel(schema) })
    const reader = loose('reader', (c) =>
      graphOutput(
        'sizes',
        map(c.getState('seen') as Edge<Any>, (s) => s.size),
      ),
    )
    const adder = loose(
      'adder',
      (c) => c.setChannel('r', curve(c.graph, [[1, { k: 'x' }]], { relative: true })),
      {
        dynamicState: () => ({ r: { by: 'k', alias: 'seen' } }),
      },
    )
    const gateway = new Gateway({ channels: records, modules: [reader, adder] as never })
    expect(values((await gateway.simulate({ start: T0 })).outputs.get('sizes'))).toEqual([1])
  })

  test('states that are declared anew must be the same', async () => {
    const schema = z.object({ k: z.string(), n: z.number() })
    const records = defineChannels({ r: channel(schema, { state: { by: 'k' } }) })
    const again = (by: string): Promise<unknown> =>
      new Gateway({
        channels: records,
        modules: [set('r', []), loose('again', (c) => c.setState('r', { by }))] as never,
      }).simulate({ start: T0 })
    await again('k')
    await expect(again('n')).rejects.toMatchObject({ code: 'CONFLICTING_STATE', module: 'again' })
  })
})

describe('modules', () => {
  test('are enabled and disabled by name', async () => {
    const one = set('a', [[1, 1]], undefined, 'one')
    const two = { ...set('a', [[1, 2]], undefined, 'two'), enabled: false }
    const out = loose('out', (c) => graphOutput('a', c.getChannel('a')))
    const run = async (options: object): Promise<readonly unknown[]> => {
      const gateway = new Gateway({ channels, modules: [one, two, out] as never, ...options })
      return values((await gateway.simulate({ start: T0 })).outputs.get('a'))
    }
    expect(await run({})).toEqual([1])
    expect(await run({ enable: ['two'] })).toEqual([1, 2])
    expect(await run({ enable: ['two'], disable: ['one'] })).toEqual([2])
    await expect(run({ disable: ['three'] })).rejects.toMatchObject({ code: 'UNKNOWN_MODULE' })
    await expect(run({ disable: ['one'], enable: ['one'] })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    })
  })

  test('that are disabled leave their channels without a provider', async () => {
    const gateway = new Gateway({
      channels,
      modules: [set('a', [[1, 1]]), get('x', 'a')] as never,
      disable: ['set a'],
    })
    await expect(gateway.simulate({ start: T0 })).rejects.toMatchObject({
      code: 'MISSING_PROVIDER',
    })
  })

  test('may share a name', async () => {
    const modules = [set('a', [[1, 1]], undefined, 'same'), set('a', [[1, 2]], undefined, 'same')]
    expect(values((await simulated(channels, modules, ['a'])).a)).toEqual([1, 2])
  })

  test("get and set in a graph of one's own beside them", async () => {
    const gateway = new Gateway({
      channels,
      modules: [set('a', [[1, 3]])] as never,
      graph: (c) => {
        graphOutput('mine', count(c.getChannel('a')))
        c.setChannel('b', c.getChannel('a'))
      },
    })
    const { outputs, channels: live } = await gateway.simulate({ start: T0, duration: seconds(1) })
    expect(outputs.get('mine')).toEqual([[T0 + 1, 1]])
    expect(live.last('b')).toBe(3)
  })
})

test("a graph of one's own is told from a module of the same name", async () => {
  const gateway = new Gateway({
    channels,
    modules: [set('a', []), get('graph', 'a')] as never,
    graph: (c) => {
      c.getChannel('a')
    },
  })
  await gateway.simulate({ start: T0 })
  expect(gateway.description.channels.find(({ name }) => name === 'a')?.getters).toEqual([
    'graph',
    'graph#2',
  ])
})

test('the description names who gets and sets what', async () => {
  const gateway = new Gateway({
    channels,
    modules: [
      set('a', []),
      set('fixed', [], 'A'),
      get('x', 'a'),
      loose('s', (c) => c.addSendChannel('a')),
    ] as never,
    disable: ['x'],
  })
  await gateway.simulate({ start: T0 })
  const { channels: described, modules } = gateway.description
  expect(modules).toEqual([
    { name: 'set a', enabled: true },
    { name: 'set fixed', enabled: true },
    { name: 's', enabled: true },
    { name: 'x', enabled: false },
  ])
  expect(described.find(({ name }) => name === 'a')).toMatchObject({
    getters: [],
    setters: ['send', 'set a'],
    sendable: true,
  })
  expect(described.find(({ name }) => name === 'fixed')).toMatchObject({
    setters: ['set fixed[A]'],
    keys: ['A', 'B'],
  })
})
