import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { basketNode, curve, isoOf, ms, seconds, type Timestamp, wallClock } from '@gw/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  type ChannelTick,
  channel,
  defineChannels,
  dynamicBasket,
  struct,
} from '../../src/index.js'
import {
  addToOutput,
  jsonLinesReplayer,
  jsonLinesWriter,
  mirror,
  type RecordedCycle,
} from '../../src/modules/index.js'
import { loose, T0, values } from '../support.js'
import { eventually, keepingLogger, running, simulating, temporaryFolder } from './support.js'

const Order = struct('Order', { quantity: z.int() })
const channels = defineChannels({
  orders: channel(Order, { required: false, state: { by: 'id' } }),
  numbers: channel(z.number(), { required: false, send: true }),
  lists: channel(z.array(z.number()), { required: false }),
  prices: basket(['A', 'B'], z.number()),
  quotes: dynamicBasket(z.number()),
})

type Ticks = readonly (readonly [Timestamp, unknown])[]

/** Ticks numbers at times from the start. */
function numbers(ticks: Ticks, name = 'numbers', key?: string) {
  return loose(`set ${name}`, (c) =>
    c.setChannel(name, curve(c.graph, ticks, { relative: true }), key),
  )
}

/** Ticks a dynamic basket; null removes a key. */
const quotes = loose('quotes', (c) => {
  const edges = curve(
    c.graph,
    [
      [seconds(1), { x: 1, y: 2 }],
      [seconds(2), { x: null }],
    ],
    { relative: true },
  )
  c.setChannel(
    'quotes',
    basketNode<string, number>()('quotes', { edges }, ({ edges }, out) => () => {
      for (const [key, value] of Object.entries(edges.value as Record<string, number | null>)) {
        if (value === null) out.remove(key)
        else out.emit(key, value)
      }
    }),
  )
})

function linesIn(path: string): readonly unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown)
}

describe('the writer', () => {
  test('writes what ticks in a cycle as one line, with its engine time', async () => {
    const path = join(temporaryFolder(), 'deep/ticks.jsonl')
    const modules = [
      numbers([
        [0, 1],
        [seconds(1), 2],
      ]),
      numbers([[seconds(1), 7]], 'prices', 'B'),
      quotes,
      jsonLinesWriter({ path }),
    ]
    await simulating(channels, modules)
    expect(linesIn(path)).toEqual([
      { numbers: 1, csp_engine_timestamp: isoOf(T0) },
      {
        numbers: 2,
        prices: { B: 7 },
        quotes: { x: 1, y: 2 },
        csp_engine_timestamp: isoOf(T0 + seconds(1)),
      },
      { quotes: { x: null }, csp_engine_timestamp: isoOf(T0 + seconds(2)) },
    ])
  })

  test('goes on where the file ends, or begins it anew; from a time on', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const write = (options: object) =>
      simulating(channels, [
        numbers([
          [0, 1],
          [seconds(1), 2],
        ]),
        jsonLinesWriter({ path, select: ['numbers'], ...options }),
      ])
    await write({})
    await write({ from: T0 + seconds(1) })
    expect(linesIn(path)).toMatchObject([{ numbers: 1 }, { numbers: 2 }, { numbers: 2 }])
    await write({ append: false })
    expect(linesIn(path)).toMatchObject([{ numbers: 1 }, { numbers: 2 }])
  })

  test('has written what ticked when I/O gets its turn', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const gateway = await running(channels, [jsonLinesWriter({ path, select: ['numbers'] })])
    gateway.channels.send('numbers', 4)
    await new Promise<void>((resolve) => setImmediate(resolve))
    expect(linesIn(path)).toMatchObject([{ numbers: 4 }])
  })

  test('ends a line that a crash has cut, so that the next one is whole', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    writeFileSync(path, '{"numbers":1,"csp_engi')
    await simulating(channels, [numbers([[0, 2]]), jsonLinesWriter({ path, select: ['numbers'] })])
    const { told, logger } = keepingLogger()
    const { channels: live } = await simulating(channels, [jsonLinesReplayer({ path, logger })])
    expect(live.last('numbers')).toBe(2)
    expect(told).toEqual([
      ['warn', 'a line holds no cycle and is left out', expect.objectContaining({ path, line: 1 })],
    ])
  })

  test('begins anew a file that is removed while it writes', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const gateway = await running(channels, [jsonLinesWriter({ path, select: ['numbers'] })])
    gateway.channels.send('numbers', 1)
    await eventually(() => expect(linesIn(path)).toMatchObject([{ numbers: 1 }]))
    rmSync(dirname(path), { recursive: true })
    gateway.channels.send('numbers', 2)
    await eventually(() => expect(linesIn(path)).toMatchObject([{ numbers: 2 }]))
    gateway.channels.send('numbers', 3)
    await gateway.stop()
    expect(linesIn(path)).toMatchObject([{ numbers: 2 }, { numbers: 3 }])
  })

  test('a disk that is full at the stop is told by the stop', async () => {
    const gateway = await running(channels, [
      jsonLinesWriter({ path: '/dev/full', select: ['numbers'] }),
    ])
    gateway.channels.send('numbers', 1)
    await expect(gateway.stop()).rejects.toThrow(/ENOSPC/)
  })

  test('a disk that is full is an error of the module', async () => {
    const modules = [numbers([[0, 2]]), jsonLinesWriter({ path: '/dev/full', select: ['numbers'] })]
    const failing = simulating(channels, modules)
    await expect(failing).rejects.toThrow(/ENOSPC/)
  })
})

describe('the replayer', () => {
  test('ticks what was recorded, at its times, in its cycles', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const modules = [
      numbers([
        [0, 1],
        [0, 2],
        [seconds(3), 3],
      ]),
      numbers([[seconds(3), [1, 2]]], 'lists'),
      numbers(
        [
          [0, 5],
          [seconds(1), 6],
        ],
        'prices',
        'A',
      ),
      quotes,
    ]
    const out = addToOutput()
    const recorded = await simulating(channels, [...modules, out, jsonLinesWriter({ path })])
    const replayed = await simulating(channels, [jsonLinesReplayer({ path }), out])
    expect([...replayed.outputs]).toEqual([...recorded.outputs])
    expect(replayed.cycles).toBe(recorded.cycles)
  })

  test('keeps ids and timestamps, or gives new ones', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const order = { id: 'a', timestamp: '2019-01-01T00:00:00.000000Z', quantity: 1 }
    writeFileSync(path, `${JSON.stringify({ orders: order, csp_engine_timestamp: isoOf(T0) })}\n`)
    const last = async (options: object) => {
      const modules = [jsonLinesReplayer({ path, ...options })]
      return (await simulating(channels, modules)).channels.last('orders')
    }
    expect(await last({})).toEqual(order)
    expect(await last({ keepIds: false })).toEqual({
      quantity: 1,
      id: expect.stringMatching(/^\d{30}$/),
      timestamp: isoOf(T0),
    })
  })

  test('reads files of the reference, with null for what did not tick and times without a zone', async () => {
    const path = join(temporaryFolder(), 'ticks.json')
    const line =
      '{"orders":null,"numbers":3,"prices":null,"csp_engine_timestamp":"2020-01-01T00:00:01"}'
    writeFileSync(path, `${line}\r\n`)
    const { channels: live, now } = await simulating(channels, [jsonLinesReplayer({ path })])
    expect(live.last('numbers')).toBe(3)
    expect(now).toBe(T0 + seconds(1))
  })

  test('a file that is wholly older than the start ticks nothing', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    writeFileSync(path, '{"numbers":3,"csp_engine_timestamp":"2019-01-01T00:00:00Z"}\n')
    const { channels: live, cycles } = await simulating(channels, [jsonLinesReplayer({ path })])
    expect(cycles).toBe(0)
    expect(() => live.last('numbers')).not.toThrow()
    expect(live.last('numbers')).toBeUndefined()
  })

  test('follows the clock of a gateway that runs in the past', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const at = (n: number) =>
      JSON.stringify({ numbers: n, csp_engine_timestamp: isoOf(T0 + ms(n)) })
    writeFileSync(path, `${[1, 2, 3].map(at).join('\n')}\n`)
    const gateway = await running(channels, [jsonLinesReplayer({ path })], {
      clock: wallClock({ start: T0 }),
      start: T0,
    })
    const seen: ChannelTick<number>[] = []
    for await (const tick of gateway.channels.subscribe('numbers', { from: { time: isoOf(T0) } })) {
      seen.push(tick)
      if (seen.length === 3) break
    }
    expect(seen.map(({ value }) => value)).toEqual([1, 2, 3])
    for (const { time, value } of seen) expect(time).toBeGreaterThanOrEqual(T0 + ms(value))
  })

  test('a record that the schema refuses is an error of the module, which its policy can skip', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const time = isoOf(T0)
    writeFileSync(
      path,
      [{ orders: { quantity: 'x' } }, { numbers: 1, prices: { C: 1 } }, { numbers: 2 }]
        .map((ticks) => `${JSON.stringify({ ...ticks, csp_engine_timestamp: time })}\n`)
        .join(''),
    )
    const replayer = jsonLinesReplayer({ path })
    await expect(simulating(channels, [replayer])).rejects.toMatchObject({
      code: 'NODE_FAILED',
      path: expect.stringMatching(/^json-lines-replayer\//),
      cause: { code: 'INVALID_RECORD', channel: 'orders' },
    })
    const out = addToOutput({ select: ['numbers', 'orders'] })
    const { outputs } = await simulating(channels, [{ ...replayer, onError: 'skip' }, out])
    expect(values(outputs.get('numbers'))).toEqual([1, 2])
    expect(values(outputs.get('orders'))).toEqual([])
  })

  test('a file whose times go back ends the run with the time that does', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const lines = ['2020-01-01T00:00:02', '2020-01-01T00:00:01'].map(
      (time) => `{"numbers":1,"csp_engine_timestamp":"${time}"}\n`,
    )
    writeFileSync(path, lines.join(''))
    await expect(simulating(channels, [jsonLinesReplayer({ path })])).rejects.toMatchObject({
      code: 'TIME_WENT_BACK',
      message: expect.stringContaining('from 2020-01-01T00:00:02.000000Z'),
    })
  })

  test('a file that is missing is told when the gateway is wired', async () => {
    const missing = jsonLinesReplayer({ path: '/nowhere/ticks.jsonl' })
    await expect(simulating(channels, [missing])).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      module: 'json-lines-replayer',
    })
  })

  test('ticks the same as was written, whatever it was', async () => {
    const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer())
    const cycle = fc.record({ gap: fc.nat(3), numbers: value, A: value }, { requiredKeys: ['gap'] })
    const path = join(temporaryFolder(), 'ticks.jsonl')
    await fc.assert(
      fc.asyncProperty(fc.array(cycle, { maxLength: 20 }), async (cycles) => {
        const timed = cycles.map((of, i) => ({
          ...of,
          time: cycles.slice(0, i + 1).reduce((sum, { gap }) => sum + gap, 0),
        }))
        const ticksOf = (name: 'numbers' | 'A'): Ticks =>
          timed.flatMap((of) => (of[name] === undefined ? [] : [[of.time, of[name] + 0] as const]))
        const modules = [numbers(ticksOf('numbers')), numbers(ticksOf('A'), 'prices', 'A')]
        const out = addToOutput()
        const writer = jsonLinesWriter({ path, append: false })
        const recorded = await simulating(channels, [...modules, out, writer])
        const replayed = await simulating(channels, [jsonLinesReplayer({ path }), out])
        expect([...replayed.outputs]).toEqual([...recorded.outputs])
      }),
      { numRuns: 50 },
    )
  })
})

describe('the mirror', () => {
  test('follows the file that another gateway writes, in its cycles, with the ids of its records', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const leader = await running(channels, [jsonLinesWriter({ path, select: ['numbers'] })])
    leader.channels.send('numbers', 1)
    const follower = await running(channels, [
      mirror({ source: path, select: ['numbers', 'orders', 'prices'], pollMs: 1 }),
    ])
    const reader = follower.channels.subscribe('numbers', { from: 'snapshot' })
    expect((await reader.next()).value.value).toBe(1)
    leader.channels.send('numbers', 2)
    expect((await reader.next()).value.value).toBe(2)
    const order = { id: 'a', timestamp: '2019-01-01T00:00:00.000000Z', quantity: 1 }
    const next = follower.channels.next('numbers')
    appendFileSync(
      path,
      `${JSON.stringify({ orders: order, prices: { A: 4 }, numbers: 3, csp_engine_timestamp: isoOf(T0) })}\n`,
    )
    expect(await next).toBe(3)
    expect(follower.channels.last('orders')).toEqual(order)
    expect(follower.channels.last('prices', 'A')).toBe(4)
    expect(follower.channels.query('orders')).toEqual([order])
  })

  test('waits for a file that is not there yet, takes lines in parts, and reads a new file from its beginning', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    const gateway = await running(channels, [mirror({ source: path, pollMs: 1 })])
    const reader = gateway.channels.subscribe('numbers')
    const line = (n: number) => `{"numbers":${n},"csp_engine_timestamp":"2020-01-01T00:00:00Z"}\n`
    expect(existsSync(path)).toBe(false)
    writeFileSync(path, line(1) + line(2).slice(0, 10))
    expect((await reader.next()).value.value).toBe(1)
    appendFileSync(path, line(2).slice(10))
    expect((await reader.next()).value.value).toBe(2)
    writeFileSync(`${path}.new`, line(3))
    renameSync(`${path}.new`, path)
    expect((await reader.next()).value.value).toBe(3)
  })

  test('takes any source of cycles, and its failure is an error of the module', async () => {
    let fail: (error: Error) => void = () => undefined
    async function* source(): AsyncGenerator<RecordedCycle> {
      yield { time: T0, ticks: { numbers: 1, orders: { quantity: 5 } } }
      yield { time: T0, ticks: { numbers: 2 } }
      await new Promise((_, reject) => {
        fail = reject
      })
    }
    const gateway = await running(channels, [
      mirror({ source, states: { orders: { by: 'quantity', alias: 'bySize' } } }),
    ])
    await eventually(() => expect(gateway.channels.last('numbers')).toBe(2))
    expect(gateway.channels.query('bySize' as never)).toMatchObject([{ quantity: 5 }])
    fail(new Error('link lost'))
    await eventually(() => expect(gateway.health.live).toBe(false))
    expect(gateway.health.error).toMatchObject({
      code: 'NODE_FAILED',
      cause: { message: 'link lost' },
    })
  })

  test('in simulation ticks the cycles at their own times', async () => {
    const path = join(temporaryFolder(), 'ticks.jsonl')
    await simulating(channels, [
      numbers([
        [ms(1), 1],
        [ms(2), 2],
      ]),
      jsonLinesWriter({ path }),
    ])
    const modules = [mirror({ source: path }), addToOutput({ select: ['numbers'] })]
    const { outputs } = await simulating(channels, modules)
    expect(outputs.get('numbers')).toEqual([
      [T0 + ms(1), 1],
      [T0 + ms(2), 2],
    ])
  })
})
