import { setMaxListeners } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  basket,
  channel,
  defineChannels,
  defineModule,
  dynamicBasket,
  Gateway,
  struct,
} from '@gw/channels'
import { map } from '@gw/core'
import type { Authenticator, AuthFilter, RowAccess } from '@gw/protocol'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { webServer } from '../src/index.js'
import { type Answered, ask } from './support/http.js'
import { RecordingEvents } from './support/recording-events.js'
import { RecordingSocket } from './support/recording-socket.js'

const Row = struct('Row', { owner: z.string(), level: z.int(), serial: z.int() })
type Row = {
  readonly id: string
  readonly owner: string
  readonly level: number
  readonly serial: number
}

const channels = defineChannels({
  rows: channel(Row, {
    send: true,
    stage: true,
    state: [{ by: 'owner' }, { by: 'serial', alias: 'all' }],
  }),
  copies: channel(Row),
  lists: channel(z.array(Row), { send: true }),
  fixed: basket(['a', 'b'], Row, { send: true, state: { by: 'serial', alias: 'ofFixed' } }),
  dynamic: dynamicBasket(Row, { send: true }),
})
const copier = defineModule(channels, 'copier', (c) => {
  c.setChannel(
    'copies',
    map(c.getChannel('rows'), (row) => row),
  )
})

/** Everybody says who they are. */
const trusting: Authenticator = {
  name: 'trusting',
  authenticate: (credentials) => ({
    ok: true,
    identity: { name: credentials.header('x-who') ?? 'nobody' },
  }),
}

/** A rule like no other: for each number another, the same for the same question. */
function ruleOf(seed: number, share: number): AuthFilter {
  return (identity, row: Row, { operation, channel, key }) => {
    if (identity.name === 'root') return true
    const text = [seed, identity.name, row.owner, row.level, operation, channel, key].join(' ')
    let hash = 2_166_136_261
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619)
    return (hash >>> 0) % 1_000 < share * 1_000
  }
}

type Place = { readonly channel: 'rows' | 'lists' | 'fixed' | 'dynamic'; readonly key?: string }
const place = fc.constantFrom<Place>(
  { channel: 'rows' },
  { channel: 'lists' },
  { channel: 'fixed', key: 'a' },
  { channel: 'fixed', key: 'b' },
  { channel: 'dynamic', key: 'x' },
  { channel: 'dynamic', key: 'y' },
)
const who = fc.constantFrom('root', 'alice', 'bob')
const content = fc.record({ owner: fc.constantFrom('alice', 'bob', 'carol'), level: fc.nat(2) })
const step = fc.record({
  who,
  place,
  contents: fc.array(content, { minLength: 1, maxLength: 3 }),
  way: fc.constantFrom('REST', 'WebSocket', 'batch', 'stage'),
  isUnix: fc.boolean(),
})

/** One tick of the model: what everybody would see who saw everything. */
interface ModelTick {
  readonly channel: string
  readonly key: string | undefined
  readonly rows: readonly Row[]
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gw-rows-'))
})
afterAll(() => rm(folder, { recursive: true }))

const OBSERVERS = ['alice', 'bob'] as const
const CHANNELS = ['rows', 'copies', 'lists', 'fixed', 'dynamic'] as const
let runs = 0

test('no transport ever shows or takes a row that the rule forbids, and each shows all others', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.constantFrom(0, 0.3, 0.5, 0.8, 1),
      fc.array(step, { minLength: 1, maxLength: 12 }),
      async (seed, share, steps) => {
        const filter = ruleOf(seed, share)
        const unix = join(folder, `${runs++}.sock`)
        const server = webServer({ port: 0, unix, auth: trusting, filter })
        const gateway = new Gateway({ channels, modules: [copier, server] })
        await gateway.start()
        const ways = [server.url as string, unix]
        const sockets = new Map<string, RecordingSocket>()
        const events = new Map<string, RecordingEvents>()
        const nexts = new Map<string, Promise<Answered | undefined>>()
        const waiting = new AbortController()
        const { signal } = waiting
        setMaxListeners(0, signal)
        const model: ModelTick[] = []
        try {
          for (const way of ways) {
            for (const name of ['root', ...OBSERVERS]) {
              sockets.set(`${way} ${name}`, await RecordingSocket.open(way, { 'x-who': name }))
            }
          }
          for (const way of ways) {
            for (const name of OBSERVERS) {
              for (const channel of CHANNELS) {
                const path = `/api/v1/stream/${channel}`
                const headers = { 'x-who': name }
                events.set(
                  `${way} ${name} ${channel}`,
                  await RecordingEvents.open(way, path, headers),
                )
                nexts.set(
                  `${way} ${name} ${channel}`,
                  ask(way, `/api/v1/next/${channel}`, { headers, signal }).catch(() => undefined),
                )
              }
            }
          }
          const figures = async () => (await ask(server.url as string, '/metrics')).text
          await expect.poll(figures).toContain(`\ngateway_waiting_requests ${nexts.size}\n`)
          await check(filter, ways, sockets, events, steps, model)
          await checkNexts(filter, nexts, model, waiting)
        } finally {
          waiting.abort()
          for (const socket of sockets.values()) socket.terminate()
          for (const each of events.values()) each.close()
          await gateway.stop()
        }
      },
    ),
    { numRuns: 10 },
  )
}, 120_000)

async function check(
  filter: AuthFilter,
  ways: readonly string[],
  sockets: ReadonlyMap<string, RecordingSocket>,
  events: ReadonlyMap<string, RecordingEvents>,
  steps: readonly {
    who: string
    place: Place
    contents: readonly { owner: string; level: number }[]
    way: string
    isUnix: boolean
  }[],
  model: ModelTick[],
): Promise<void> {
  const mayRead = (name: string, row: Row, channel: string, key: string | undefined): boolean =>
    filter({ name }, row, accessOf('read', channel, key))
  const staged: Row[] = []
  const seenBy = seenThrough(filter)
  const tags = new Map<string, Map<string, unknown>>()
  /** What one who sees nothing new is told says so: neither the answer nor its tag has changed. */
  const checkTags = async (channel: string): Promise<void> => {
    for (const name of OBSERVERS) {
      const headers = { 'x-who': name }
      const { headers: told } = await ask(ways[0] as string, `/api/v1/last/${channel}`, { headers })
      const mine = model.filter((tick) => tick.channel === channel)
      const seen = JSON.stringify(newestOf(seenBy(name, mine)).map(({ rows }) => rows))
      const known = tags.get(`${name} ${channel}`) ?? new Map<string, unknown>()
      if (known.has(seen)) expect(told.etag).toBe(known.get(seen))
      else expect([...known.values()]).not.toContain(told.etag)
      tags.set(`${name} ${channel}`, known.set(seen, told.etag))
    }
  }

  for (const socket of sockets.values()) {
    for (const channel of CHANNELS) {
      await socket.ask({ action: 'subscribe', id: `live ${channel}`, channel })
    }
  }

  let serial = 0
  for (const { who, place, contents, way, isUnix } of steps) {
    const to = ways[isUnix ? 1 : 0] as string
    const { channel, key } = place
    const isStage = way === 'stage' && channel === 'rows'
    const takesList = channel === 'lists' || way === 'REST'
    const records = (takesList ? contents : contents.slice(0, 1)).map((each) => {
      serial++
      return { ...each, serial, id: String(serial) } as unknown as Row
    })
    const operation = isStage ? 'stage' : 'send'
    const isPermitted = records.every((row) =>
      filter({ name: who }, row, accessOf(operation, channel, key)),
    )
    const data = takesList ? records : records[0]
    const path = key === undefined ? channel : `${channel}/${key}`
    const headers = { 'x-who': who }
    let outcome: { isDone: boolean; code: unknown; text: string }
    if (isStage || way === 'REST' || way === 'stage') {
      const group = isStage ? 'stage' : 'send'
      const body = isStage ? records[0] : data
      const answer = await ask(to, `/api/v1/${group}/${path}`, { method: 'POST', headers, body })
      outcome = { isDone: answer.status === 200, code: answer.body?.code, text: answer.text }
    } else {
      const socket = sockets.get(`${to} ${who}`) as RecordingSocket
      const target = { channel, ...(key === undefined ? {} : { key }), data }
      const id = `send ${serial}`
      const answer = await socket.ask(
        way === 'batch'
          ? { action: 'batch', id, sends: [target] }
          : { action: 'send', id, ...target },
      )
      outcome = { isDone: answer.ok, code: answer.code, text: JSON.stringify(answer) }
    }
    expect(outcome.isDone).toBe(isPermitted)
    if (!isPermitted) {
      expect(outcome.code).toBe('FORBIDDEN')
      expect(serialsIn(outcome.text)).toEqual([])
      continue
    }
    if (isStage) {
      const [row] = records as [Row]
      staged.push(row)
      for (const id of serialsIn(outcome.text)) {
        const shown = staged.find(({ serial }) => serial === id) as Row
        expect(mayRead(who, shown, channel, undefined)).toBe(true)
      }
      continue
    }
    const ticks = channel === 'lists' ? [records] : records.map((row) => [row])
    for (const rows of ticks) {
      model.push({ channel, key, rows })
      if (channel === 'rows') model.push({ channel: 'copies', key: undefined, rows })
    }
    await checkTags(channel)
  }

  for (const name of OBSERVERS) {
    for (const to of ways) {
      const headers = { 'x-who': name }
      const get = async (path: string) => (await ask(to, `/api/v1/${path}`, { headers })).body

      for (const channel of CHANNELS) {
        const mine = seenBy(
          name,
          model.filter((tick) => tick.channel === channel),
        )
        const newest = new Map(mine.map((tick) => [tick.key, tick]))
        expect(serialsOf(await get(`last/${channel}`)).sort()).toEqual(
          [...newest.values()].flatMap(({ rows }) => rows.map((row) => row.serial)).sort(),
        )
        for (const [key, { rows }] of newest) {
          if (key === undefined) continue
          expect(serialsOf(await get(`last/${channel}/${key}`))).toEqual(
            rows.map((row) => row.serial),
          )
        }
      }
      for (const [state, channel] of [
        ['all', 'rows'],
        ['ofFixed', 'fixed'],
      ] as const) {
        const mine = seenBy(
          name,
          model.filter((tick) => tick.channel === channel),
        )
        const expected = mine.flatMap(({ rows }) => rows.map((row) => row.serial))
        expect(serialsOf(await get(`state/${state}`))).toEqual(expected)
        expect(await get(`state/${state}?count=1`)).toBe(expected.length)
        const arrived = serialsOf(await get(`state/${state}?order=arrival`))
        expect(arrived.toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b))
        const high = mine.flatMap(({ rows }) => rows).filter(({ level }) => level >= 1)
        const where = `where=level:ge:1`
        expect(serialsOf(await get(`state/${state}?${where}`))).toEqual(
          high.map(({ serial }) => serial),
        )
        expect(await get(`state/${state}?${where}&count=1`)).toBe(high.length)
        expect(serialsOf(await get(`state/${state}?limit=2&sort=-serial`))).toEqual(
          expected.reverse().slice(0, 2),
        )
      }
      // A key that came with a hidden row is not named.
      const keys = newestOf(
        seenBy(
          name,
          model.filter((tick) => tick.channel === 'dynamic'),
        ),
      )
      const named = keys.map(({ key }) => `dynamic/${key}`).sort()
      for (const list of ['stream', 'send/']) {
        const names = (await get(list)) as string[]
        expect(names.filter((each) => each.startsWith('dynamic/'))).toEqual(named)
      }
      const conflict = await ask(to, '/api/v1/send/rows?expect=none:1', {
        method: 'POST',
        headers,
        body: { owner: 'x', level: 0, serial: -1 },
      })
      expect(['FORBIDDEN', 'POSITION_MISMATCH']).toContain(conflict.body.code)
      expect(serialsIn(conflict.text)).toEqual([])
      for (const { rows } of model) {
        for (const { id, serial } of rows) {
          const isSeen = seenBy(name, model).some((tick) =>
            tick.rows.some((row) => row.serial === serial),
          )
          const isStaged = staged.some(
            (row) => row.serial === serial && mayRead(name, row, 'rows', undefined),
          )
          const expected = isSeen || isStaged ? [serial] : []
          expect(serialsOf(await get(`lookup/id/${id}`))).toEqual(expected)
          expect(serialsOf(await get(`lookup/rows/${id}`))).toEqual(expected)
        }
      }
      const put = await ask(to, '/api/v1/stage/rows', { method: 'PUT', headers })
      expect(serialsIn(put.text)).toEqual(
        staged.filter((row) => mayRead(name, row, 'rows', undefined)).map((row) => row.serial),
      )

      // Live, then again from the history, and as a snapshot.
      const socket = sockets.get(`${to} ${name}`) as RecordingSocket
      for (const channel of CHANNELS) {
        const mine = seenBy(
          name,
          model.filter((tick) => tick.channel === channel),
        )
        const expected = mine.map(({ key, rows }) => [key, rows.map((row) => row.serial)])
        const { epoch } = await socket.ask({ action: 'subscribe', id: `again ${channel}`, channel })
        expect(dataOf(socket, `live ${channel}`)).toEqual(expected)

        const live = events.get(`${to} ${name} ${channel}`) as RecordingEvents
        const heard = (): unknown[] => live.ticks.map(({ key, data }) => [key, serialsOf(data)])
        await expect.poll(heard).toEqual(expected)

        const from = { epoch, offset: 0 }
        await subscribeAndEnd(socket, `history ${channel}`, channel, from)
        expect(dataOf(socket, `history ${channel}`)).toEqual(expected)
        const begun = { time: '2000-01-01T00:00:00Z' }
        await subscribeAndEnd(socket, `time ${channel}`, channel, begun)
        expect(dataOf(socket, `time ${channel}`)).toEqual(expected)

        const path = `/api/v1/stream/${channel}`
        const back = await RecordingEvents.open(to, path, {
          ...headers,
          'Last-Event-ID': `${epoch}:0`,
        })
        await expect
          .poll(() => back.ticks.map(({ key, data }) => [key, serialsOf(data)]))
          .toEqual(expected)
        back.close()

        await subscribeAndEnd(socket, `snapshot ${channel}`, channel, 'snapshot')
        const newest = new Map(mine.map((tick) => [tick.key, tick.rows.map((row) => row.serial)]))
        expect(new Map(dataOf(socket, `snapshot ${channel}`) as never)).toEqual(newest)
      }
    }
  }
}

type Seen = (name: string, ticks: readonly ModelTick[]) => ModelTick[]

/** What an identity sees of ticks: of lists, what is left of them. */
function seenThrough(filter: AuthFilter): Seen {
  return (name, ticks) =>
    ticks.flatMap(({ channel, key, rows }) => {
      const visible = rows.filter((row) => filter({ name }, row, accessOf('read', channel, key)))
      return visible.length === 0 ? [] : [{ channel, key, rows: visible }]
    })
}

/** The newest tick of each key. */
function newestOf(ticks: readonly ModelTick[]): ModelTick[] {
  return [...new Map(ticks.map((tick) => [tick.key, tick])).values()]
}

/** Who waits for the next tick gets the first one that it may see; who may see none goes on waiting. */
async function checkNexts(
  filter: AuthFilter,
  nexts: ReadonlyMap<string, Promise<Answered | undefined>>,
  model: readonly ModelTick[],
  waiting: AbortController,
): Promise<void> {
  const patient: Promise<Answered | undefined>[] = []
  for (const [who, answer] of nexts) {
    const [, name, channel] = who.split(' ') as [string, string, string]
    const mine = seenThrough(filter)(
      name,
      model.filter((tick) => tick.channel === channel),
    )
    const [first] = mine.map(({ rows }) => rows.map(({ serial }) => serial))
    if (first === undefined) {
      patient.push(answer)
      continue
    }
    const got = serialsIn((await answer)?.text ?? '')
    if (mine[0]?.key === undefined) expect({ who, got }).toEqual({ who, got: first })
    else {
      // A whole basket is answered as it is by then.
      const visible = mine.flatMap(({ rows }) => rows.map(({ serial }) => serial))
      expect(got.length).toBeGreaterThan(0)
      expect(visible).toEqual(expect.arrayContaining(got))
    }
  }
  waiting.abort()
  expect((await Promise.all(patient)).every((answer) => answer === undefined)).toBe(true)
}

function accessOf(
  operation: RowAccess['operation'],
  channel: string,
  key: string | undefined,
): RowAccess {
  return { operation, channel, ...(key === undefined ? {} : { key }) }
}

async function subscribeAndEnd(
  socket: RecordingSocket,
  id: string,
  channel: string,
  from: unknown,
): Promise<void> {
  expect(await socket.ask({ action: 'subscribe', id, channel, from })).toMatchObject({
    ok: true,
    recovered: true,
  })
  // What comes before the live ticks is there before the next answer.
  await socket.ask({ action: 'unsubscribe', id, channel })
}

/** The ticks that a subscription heard: keys, and the serial numbers of their rows. */
function dataOf(socket: RecordingSocket, sub: string): unknown[] {
  return socket.messages
    .filter((message) => message.sub === sub && message.data !== undefined)
    .map(({ key, data }) => [key, serialsOf(data)])
}

function serialsOf(rows: unknown): number[] {
  return Array.isArray(rows) ? rows.map(({ serial }) => serial) : []
}

/** Serial numbers of all rows that stand anywhere in a text. */
function serialsIn(text: string): number[] {
  return [...text.matchAll(/"serial":(\d+)/g)].map(([, serial]) => Number(serial))
}
