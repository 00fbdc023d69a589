import type { KafkaRecord, KafkaTransactor, Progress, ReceivedRecord } from '@gw/kafka'
import { expect, test } from 'vitest'
import { Intake } from '../src/intake.js'
import { Task } from '../src/task.js'
import { Units } from '../src/units.js'

const alive = (): Promise<void> => Promise.resolve()

function received(partition: number, offset: string): ReceivedRecord {
  const value = Buffer.from('1')
  return { topic: 'orders', partition, offset, key: 'a', value, headers: {}, timestampMs: 0 }
}

const total = (value: string): KafkaRecord => ({ topic: 'totals', key: 'a', value })

/** What the broker knows of one partition, by transactors that can be made to fail. */
class Broker {
  readonly committed: string[] = []
  progress: Progress = { offsets: new Map([['orders', 5n]]), mark: 'before' }
  /** Called within a commit; what it throws is the answer, when the commit has happened or not. */
  before: () => void = () => undefined
  after: () => void | Promise<void> = () => undefined

  transactor(): KafkaTransactor {
    return {
      open: () => Promise.resolve(this.progress),
      commit: async (records, progress) => {
        this.before()
        this.committed.push(...records.map(({ value }) => String(value)))
        this.progress = progress
        await this.after()
        return new Map()
      },
      close: () => Promise.resolve(),
    }
  }
}

/** Units over an engine that makes a record of each record, when it is let go on. */
function setUp(broker: Broker, isExact = true) {
  const log: string[] = []
  const loose: string[] = []
  const prepared: number[] = []
  const stop = new AbortController()
  let isGoing = true
  const intake = new Intake({
    signal: stop.signal,
    take: (records) => {
      for (const { partition, offset } of records) units.send(total(`${partition}@${offset}`))
      return []
    },
    hasRoom: () => true,
    isIdle: () => isGoing,
    bury: alive,
  })
  const units: Units = new Units({
    intake,
    newTask: (partition) =>
      new Task({
        partition,
        transactor: broker.transactor(),
        signal: new AbortController().signal,
        isExact,
        onTrouble: () => undefined,
      }),
    sendLoose: ({ value }) => loose.push(String(value)),
    prepare: async ({ partition }) => {
      prepared.push(partition)
    },
    begin: ({ partition }) => log.push(`begin ${partition}`),
    undo: ({ partition }) => log.push(`undo ${partition}`),
  })
  units.assigned({ orders: [0, 1] })
  return {
    units,
    log,
    loose,
    prepared,
    stop: () => stop.abort(),
    hold: () => {
      isGoing = false
    },
    go: () => {
      isGoing = true
    },
  }
}

test('a unit that comes to the engine when its partition has gone to another gateway makes nothing of the state that went', async () => {
  const broker = new Broker()
  const { units, log, hold, go } = setUp(broker)
  hold()
  const first = units.take([received(1, '5')], alive)
  await expect.poll(() => log).toEqual(['begin 1'])
  const gone = expect(units.take([received(0, '5')], alive)).rejects.toMatchObject({
    code: 'FENCED',
    partition: 0,
  })
  // It is ready, and waits for the engine.
  await new Promise(setImmediate)
  units.assigned({ orders: [1] })
  go()
  await first
  await gone
  expect(log).toEqual(['begin 1', 'undo 0'])
  expect(broker.committed).toEqual(['1@5'])
})

test('a unit whose partition goes to another gateway while the engine runs it is not committed', async () => {
  const broker = new Broker()
  const { units, log, loose, hold, go } = setUp(broker)
  hold()
  const gone = expect(units.take([received(0, '5')], alive)).rejects.toMatchObject({
    code: 'FENCED',
  })
  await expect.poll(() => log).toEqual(['begin 0'])
  units.assigned({ orders: [1] })
  go()
  await gone
  expect(log).toEqual(['begin 0', 'undo 0'])
  expect(broker.committed).toEqual([])
  expect(loose).toEqual([])
})

test('what the graph makes between units is sent although the unit that took it along fails', async () => {
  const broker = new Broker()
  const { units, loose, log, hold, go } = setUp(broker)
  let answer: () => void = () => undefined
  broker.after = () =>
    new Promise((resolve) => {
      answer = resolve
    })
  const taken = units.take([received(1, '5')], alive)
  await expect.poll(() => broker.committed).toHaveLength(1)
  units.send(total('of a timer'))
  hold()
  const gone = expect(units.take([received(0, '9')], alive)).rejects.toMatchObject({
    code: 'FENCED',
  })
  await expect.poll(() => log).toEqual(['begin 1', 'begin 0'])
  units.assigned({ orders: [1] })
  go()
  await gone
  answer()
  await taken
  expect([...broker.committed, ...loose]).toEqual(['1@5', 'of a timer'])
})

test('a unit whose answer was lost is known by its mark, with or without records', async () => {
  const broker = new Broker()
  const { units, log } = setUp(broker)
  broker.after = () => {
    broker.after = () => undefined
    throw new Error('connection lost')
  }
  await units.take([received(0, '5')], alive)
  broker.after = () => {
    broker.after = () => undefined
    throw new Error('connection lost')
  }
  await units.run(units.task(0), async () => units.send(total('sent')))
  expect(broker.committed).toEqual(['0@5', 'sent'])
  expect(broker.progress.offsets).toEqual(new Map([['orders', 6n]]))
  expect(log).toEqual(['begin 0', 'begin 0'])
})

test('a unit that failed is committed again when nobody has worked on its partition meanwhile', async () => {
  const broker = new Broker()
  const { units } = setUp(broker)
  broker.before = () => {
    broker.before = () => undefined
    throw new Error('connection lost')
  }
  await units.take([received(0, '5')], alive)
  expect(broker.committed).toEqual(['0@5'])
})

test.each<[string, boolean]>([
  ['another gateway has changed the state meanwhile, without taking a record', true],
  ['nobody knows whether another gateway has worked on it, at least once', false],
])('a unit that failed counts as not done when %s', async (_, isExact) => {
  const broker = new Broker()
  const { units, log } = setUp(broker, isExact)
  broker.before = () => {
    broker.before = () => undefined
    broker.progress = { ...broker.progress, mark: 'of another' }
    throw new Error('fenced')
  }
  await expect(units.take([received(0, '5')], alive)).rejects.toMatchObject({
    code: 'FENCED',
    partition: 0,
  })
  expect(log).toEqual(['begin 0', 'undo 0'])
  expect(broker.committed).toEqual([])
  // It is taken again, from the state as it is now.
  await units.take([received(0, '5')], alive)
  expect(broker.committed).toEqual(['0@5'])
})

test('what the engine makes of a unit that a stop has cut off is not sent: who gets its records makes it', async () => {
  const broker = new Broker()
  const { units, log, loose, hold, stop } = setUp(broker)
  hold()
  const closed = expect(units.take([received(0, '5')], alive)).rejects.toMatchObject({
    code: 'CLOSED',
  })
  await expect.poll(() => log).toEqual(['begin 0'])
  stop()
  await closed
  units.send(total('of the rest'))
  expect(loose).toEqual([])
  expect(broker.committed).toEqual([])
})

test('an owner that finds that others have worked meanwhile restores the state, also when nothing of its own failed', async () => {
  const broker = new Broker()
  const { units, prepared } = setUp(broker)
  await units.take([received(0, '5')], alive)
  // What was taken already comes again: the group is asked.
  await units.take([received(0, '5')], alive)
  expect(prepared).toEqual([0])
  broker.progress = { offsets: new Map([['orders', 7n]]), mark: 'of another' }
  await units.take([received(0, '5'), received(0, '6')], alive)
  expect(prepared).toEqual([0, 0])
  await units.take([received(0, '7')], alive)
  expect(prepared).toEqual([0, 0])
  expect(broker.committed).toEqual(['0@5', '0@7'])
})
