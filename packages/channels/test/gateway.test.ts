import {
  adapter,
  constant,
  type Edge,
  graphOutput,
  isoOf,
  manualClock,
  map,
  type PushSource,
  push,
  seconds,
  sink,
  timer,
  timestampOf,
} from '@gw/core'
import { describe, expect, test, vi } from 'vitest'
import { Gateway } from '../src/index.js'
import { type C, channels, gatewayOf, noting, type Order, quiet } from './order-gateway.js'
import { loose, T0 } from './support.js'

describe('starting and stopping', () => {
  test('is in the order of the modules, and in reverse', async () => {
    const notes: string[] = []
    const gateway = gatewayOf([noting('a', notes), noting('b', notes)])
    expect(() => gateway.channels).toThrow(expect.objectContaining({ code: 'NOT_RUNNING' }))
    expect(gateway.health).toMatchObject({ live: false, ready: false })
    await gateway.start()
    expect(gateway.health).toMatchObject({ live: true, ready: true, lagMs: 0, now: isoOf(T0) })
    await expect(gateway.start()).rejects.toMatchObject({ code: 'ALREADY_STARTED' })
    await expect(gateway.simulate()).rejects.toMatchObject({ code: 'ALREADY_STARTED' })
    await Promise.all([gateway.stop(), gateway.stop()])
    await gateway.stop()
    expect(notes).toEqual(['start a', 'start b', 'stop b', 'stop a', 'flush b', 'flush a'])
    expect(gateway.health).toMatchObject({ live: false, ready: false })
    expect(() => gateway.channels.send('orders', { quantity: 1 })).toThrow(
      expect.objectContaining({ code: 'NOT_RUNNING' }),
    )
    await gateway.start()
    expect(gateway.health.ready).toBe(true)
    await gateway.stop()
  })

  test('is ready only when every module has started', async () => {
    let release: () => void = () => undefined
    const slow = noting('slow', [], {
      start: () =>
        new Promise<void>((resolve) => {
          release = resolve
        }),
    })
    const gateway = gatewayOf([slow])
    const starting = gateway.start()
    await vi.waitFor(() => expect(gateway.health.live).toBe(true))
    expect(gateway.health.ready).toBe(false)
    release()
    await starting
    expect(gateway.health.ready).toBe(true)
    await gateway.stop()
  })

  test('a module that cannot start is named, and those before it are stopped', async () => {
    const notes: string[] = []
    const cause = new Error('port taken')
    const bad = noting('bad', notes, {
      start: () => {
        throw cause
      },
    })
    const gateway = gatewayOf([noting('a', notes), bad, noting('c', notes)])
    await expect(gateway.start()).rejects.toMatchObject({
      code: 'MODULE_FAILED',
      module: 'bad',
      cause,
    })
    expect(notes).toEqual(['start a', 'stop bad', 'stop a', 'flush c', 'flush bad', 'flush a'])
    expect(gateway.health).toMatchObject({ live: false, ready: false })
  })

  test('an error in the first cycle is one of the start, and no module is started', async () => {
    const notes: string[] = []
    const bad = loose('bad', (c) =>
      c.setChannel(
        'results',
        map(constant(c.graph, 1), () => {
          throw new Error('boom')
        }),
      ),
    )
    const gateway = gatewayOf([noting('a', notes), bad])
    await expect(gateway.start()).rejects.toMatchObject({ code: 'NODE_FAILED', path: 'bad/map' })
    expect(notes).toEqual(['flush a'])
    await expect(gatewayOf([bad]).start()).rejects.toMatchObject({ code: 'NODE_FAILED' })
  })

  test('what a module opens after it was given up is closed', async () => {
    const notes: string[] = []
    let open: () => void = () => undefined
    let given: AbortSignal | undefined
    const late = noting('late', notes, {
      start: (_, signal) => {
        given = signal
        return new Promise<void>((resolve) => {
          open = resolve
        })
      },
    })
    await expect(gatewayOf([late], { startTimeoutMs: 5 }).start()).rejects.toThrow(/"late"/)
    expect(given?.aborted).toBe(true)
    expect(notes).toEqual(['stop late', 'flush late'])
    open()
    await vi.waitFor(() => expect(notes).toEqual(['stop late', 'flush late', 'stop late']))
  })

  test('the signals of stop and flush are aborted when the time is over', async () => {
    const signals: AbortSignal[] = []
    const hangs = (signal: AbortSignal): Promise<void> => {
      signals.push(signal)
      return new Promise<void>(() => undefined)
    }
    const gateway = gatewayOf([noting('slow', [], { stop: hangs, flush: hangs })], {
      stopTimeoutMs: 5,
    })
    await gateway.start()
    await expect(gateway.stop()).rejects.toMatchObject({ code: 'MODULE_TIMEOUT' })
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  test('a module that cannot say its keys or channels is named', async () => {
    const fail = (): never => {
      throw new Error('no')
    }
    for (const part of ['dynamicKeys', 'dynamicChannels', 'connect'] as const) {
      await expect(gatewayOf([{ name: 'bad', [part]: fail }]).start()).rejects.toMatchObject({
        code: 'MODULE_FAILED',
        module: 'bad',
        message:
          part === 'connect'
            ? 'module "bad" could not be connected: no'
            : `${part} of module "bad" failed: no`,
      })
    }
  })

  test('a module that hangs at the start is given up after its time', async () => {
    const hanging = noting('hanging', [], { start: () => new Promise<void>(() => undefined) })
    const gateway = gatewayOf([hanging], { startTimeoutMs: 5 })
    await expect(gateway.start()).rejects.toMatchObject({
      code: 'MODULE_TIMEOUT',
      module: 'hanging',
    })
  })

  test('modules that fail or hang at the stop do not keep the others from it, and are named', async () => {
    const notes: string[] = []
    const gateway = gatewayOf(
      [
        noting('a', notes),
        noting('hangs', notes, { stop: () => new Promise<void>(() => undefined) }),
        noting('fails', notes, {
          stop: () => {
            throw new Error('no')
          },
        }),
      ],
      { stopTimeoutMs: 20 },
    )
    await gateway.start()
    await expect(gateway.stop()).rejects.toMatchObject({ code: 'MODULE_FAILED', module: 'fails' })
    expect(notes).toContain('stop a')
    expect(gateway.health.live).toBe(false)
  })

  test('a module that hangs at the stop leaves time for the others, and to write what is left', async () => {
    const notes: string[] = []
    const signals: boolean[] = []
    const slow = noting('slow', notes, {
      flush: async (signal) => {
        await new Promise((resolve) => setImmediate(resolve))
        signals.push(signal.aborted)
      },
    })
    const hangs = noting('hangs', notes, { stop: () => new Promise<void>(() => undefined) })
    const gateway = gatewayOf([slow, hangs], { stopTimeoutMs: 1_000 })
    await gateway.start()
    const stopping = gateway.stop()
    await expect(stopping).rejects.toMatchObject({ code: 'MODULE_TIMEOUT', module: 'hangs' })
    expect(notes).toContain('stop slow')
    expect(signals).toEqual([false])
  })

  test('a node that cannot close what it writes to is told by the stop, and keeps no module from writing', async () => {
    const notes: string[] = []
    const logged: unknown[] = []
    const writer = loose('writer', (c) => {
      sink('write', { x: c.getChannel('orders') as Edge<Order> }, (_, context) => {
        context.onStop(() => {
          throw new Error('disk full')
        })
        return () => undefined
      })
    })
    const gateway = gatewayOf([writer, noting('other', notes)], {
      logger: { ...quiet, error: (details) => logged.push((details as { err: unknown }).err) },
    })
    await gateway.start()
    const failure = expect.objectContaining({
      code: 'NODE_FAILED',
      path: 'writer/write',
      cause: expect.objectContaining({ message: 'disk full' }),
    })
    await expect(gateway.stop()).rejects.toEqual(failure)
    expect(logged).toEqual([failure])
    expect(notes).toEqual(['start other', 'stop other', 'flush other'])
    await gateway.start()
    expect(gateway.health).toMatchObject({ live: true, ready: true })
    await expect(gateway.stop()).rejects.toEqual(failure)
  })

  test('an adapter that hangs at the stop is left alone when the time is over', async () => {
    const notes: string[] = []
    const hangs = loose('hangs', (c) => {
      adapter(c.graph, 'hangs', () => () => new Promise<void>(() => undefined))
    })
    const gateway = gatewayOf([hangs, noting('other', notes)], { stopTimeoutMs: 20 })
    await gateway.start()
    await expect(gateway.stop()).rejects.toMatchObject({
      code: 'MODULE_TIMEOUT',
      message: expect.stringContaining('adapter'),
    })
    expect(notes).toEqual(['start other', 'stop other', 'flush other'])
    expect(gateway.health.live).toBe(false)
  })

  test('a stop while it starts is heeded at once, and what comes up later is closed', async () => {
    const notes: string[] = []
    let release: () => void = () => undefined
    let given: AbortSignal | undefined
    const slow = noting('slow', notes, {
      start: (_, signal) => {
        given = signal
        return new Promise<void>((resolve) => {
          release = resolve
        })
      },
    })
    const gateway = gatewayOf([slow, noting('b', notes)])
    const starting = gateway.start()
    await vi.waitFor(() => expect(given).toBeDefined())
    const stopping = gateway.stop()
    expect(given?.aborted).toBe(true)
    await expect(starting).rejects.toMatchObject({ code: 'NOT_RUNNING' })
    await stopping
    expect(notes).toEqual(['stop slow', 'flush b', 'flush slow'])
    release()
    await vi.waitFor(() => expect(notes.at(-1)).toBe('stop slow'))
  })

  test('an error in the graph ends the run: health says so, sends are refused, and stop still stops the modules', async () => {
    const notes: string[] = []
    const bad = loose('bad', (c) =>
      c.setChannel(
        'results',
        map(c.getChannel('orders') as Edge<Order>, () => {
          throw new Error('boom')
        }),
      ),
    )
    const gateway = gatewayOf([noting('a', notes), bad])
    await gateway.start()
    expect(() => gateway.channels.send('orders', { quantity: 1 })).toThrow(/boom/)
    expect(gateway.health).toMatchObject({
      live: false,
      ready: false,
      error: { code: 'NODE_FAILED', path: 'bad/map' },
    })
    // Nothing is taken and lost, nothing waits for ever: each call says why.
    const { channels: live } = gateway
    const why = { code: 'NOT_RUNNING', message: expect.stringMatching(/boom/) }
    expect(() => live.send('orders', { quantity: 2 })).toThrow(expect.objectContaining(why))
    expect(() => live.last('orders')).toThrow(expect.objectContaining(why))
    expect(() => live.query('deadLetters')).toThrow(expect.objectContaining(why))
    await expect(live.next('orders')).rejects.toMatchObject(why)
    await expect(live.sendAndWait('orders', { quantity: 2 })).rejects.toMatchObject(why)
    await gateway.stop()
    expect(notes).toEqual(['start a', 'stop a', 'flush a'])
  })

  test('a disabled module is neither started nor stopped nor asked for anything', async () => {
    const notes: string[] = []
    const ask = (what: string) => () => {
      notes.push(what)
      return {}
    }
    const off = noting('off', notes, {
      enabled: false,
      connect: ask('connect'),
      dynamicKeys: ask('keys'),
      dynamicChannels: ask('channels'),
      dynamicState: ask('state'),
    })
    const gateway = gatewayOf([off, noting('on', notes)])
    await gateway.start()
    await gateway.stop()
    expect(notes).toEqual(['start on', 'stop on', 'flush on'])
  })

  test('a second stop stops nothing again', async () => {
    const notes: string[] = []
    const gateway = gatewayOf([noting('a', notes)])
    await gateway.start()
    await gateway.stop()
    await gateway.stop()
    expect(notes).toEqual(['start a', 'stop a', 'flush a'])
  })

  test('what was accepted is through before it stops', async () => {
    const seen: number[] = []
    let live: Gateway<C>['channels'] | undefined
    const echo = loose('echo', (c) => {
      c.setChannel(
        'results',
        map(c.getChannel('orders') as Edge<Order>, (order) => {
          seen.push(order.quantity)
          if (order.quantity === 1)
            for (let i = 2; i <= 5; i++) live?.send('orders', { quantity: i })
          return order
        }),
      )
    })
    const gateway = gatewayOf([echo])
    await gateway.start()
    live = gateway.channels
    live.send('orders', { quantity: 1 })
    await gateway.stop()
    expect(seen).toEqual([1, 2, 3, 4, 5])
  })

  test('the end time ends the run', async () => {
    const clock = manualClock(T0)
    const gateway = gatewayOf([], { clock, end: T0 + seconds(2) })
    await gateway.start()
    clock.advance(seconds(3))
    await vi.waitFor(() => expect(gateway.health.live).toBe(false))
    expect(gateway.health.error).toBeUndefined()
    await gateway.stop()
  })

  test('the speed and start of the clock are those of the options', async () => {
    const gateway = new Gateway({ channels, start: '2020-01-01T00:00:00Z', speed: 1_000_000 })
    await gateway.start()
    const { timestamp } = gateway.channels.send('orders', { quantity: 1 })
    expect(timestampOf(timestamp)).toBeGreaterThanOrEqual(T0)
    expect(timestampOf(timestamp)).toBeLessThan(timestampOf('2025-01-01T00:00:00Z'))
    await gateway.stop()
  })
})

describe('run', () => {
  test('ends with its signal, and stops', async () => {
    const notes: string[] = []
    const gateway = gatewayOf([noting('a', notes)])
    const controller = new AbortController()
    const running = gateway.run({ signals: false, signal: controller.signal })
    await vi.waitFor(() => expect(gateway.health.ready).toBe(true))
    controller.abort()
    await running
    expect(notes).toEqual(['start a', 'stop a', 'flush a'])
  })

  test('gives the outputs of the run', async () => {
    const clock = manualClock(T0)
    const gateway = gatewayOf([], {
      clock,
      end: T0 + seconds(2),
      graph: (c) => graphOutput('beats', timer(c.graph, seconds(1))),
    })
    const running = gateway.run({ signals: false })
    await vi.waitFor(() => expect(gateway.health.ready).toBe(true))
    clock.advance(seconds(2))
    expect((await running).outputs.get('beats')).toEqual([
      [T0 + seconds(1), true],
      [T0 + seconds(2), true],
    ])
  })

  test('ends with SIGTERM', async () => {
    const gateway = gatewayOf([])
    const running = gateway.run()
    await vi.waitFor(() => expect(gateway.health.ready).toBe(true))
    process.emit('SIGTERM')
    await running
    expect(gateway.health.live).toBe(false)
    expect(process.listenerCount('SIGTERM')).toBe(0)
  })

  test('ends with SIGTERM while it starts, too', async () => {
    const notes: string[] = []
    let isStarting = false
    const slow = noting('slow', notes, {
      start: () => {
        isStarting = true
        return new Promise<void>(() => undefined)
      },
    })
    const running = gatewayOf([slow]).run()
    await vi.waitFor(() => expect(isStarting).toBe(true))
    process.emit('SIGTERM')
    await running
    expect(notes).toEqual(['stop slow', 'flush slow'])
    expect(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')).toBe(0)
  })

  test('throws what ended the engine', async () => {
    const bad = loose('bad', (c) =>
      c.setChannel(
        'results',
        map(c.getChannel('orders') as Edge<Order>, () => {
          throw new Error('boom')
        }),
      ),
    )
    const gateway = gatewayOf([bad])
    const running = gateway.run({ signals: false })
    await vi.waitFor(() => expect(gateway.health.ready).toBe(true))
    const outcome = expect(running).rejects.toMatchObject({ code: 'NODE_FAILED' })
    expect(() => gateway.channels.send('orders', { quantity: 1 })).toThrow()
    await outcome
  })

  test('is ended by stop', async () => {
    const gateway = gatewayOf([])
    const running = gateway.run({ signals: false })
    await vi.waitFor(() => expect(gateway.health.ready).toBe(true))
    await gateway.stop()
    await running
  })
})

test('limits below one are refused', () => {
  expect(() => gatewayOf([], { limits: { pendingSends: 0 } })).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
  expect(() => gatewayOf([{ name: 'a/b' }])).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION' }),
  )
})

test('a module pushes from outside of the graph while it runs', async () => {
  let source: PushSource<Order> | undefined
  const pushing = loose('pushing', (c) => {
    source = push<Order>(c.graph, 'nonCollapsing')
    c.setChannel('results', source.edge)
  })
  const gateway = gatewayOf([pushing])
  await gateway.start()
  source?.push({ id: '1', timestamp: '', quantity: 3 })
  expect(gateway.channels.last('results')).toMatchObject({ quantity: 3 })
  await gateway.stop()
})
