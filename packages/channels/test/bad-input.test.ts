import { constant, dynamicDemultiplex, Graph } from '@gw/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  basket,
  type ChannelsErrorCode,
  channel,
  defineChannels,
  dynamicBasket,
  extendChannels,
  field,
  Gateway,
  struct,
} from '../src/index.js'
import { type Any, loose, T0 } from './support.js'

const Rec = struct('Rec', { k: z.string(), n: z.number() })
const date = z.date()

describe('a contract is refused, and says where and why, for', () => {
  const one =
    (schema: unknown, options?: unknown): (() => unknown) =>
    () =>
      defineChannels({ a: channel(schema as Any, options as Any) })
  test.each<[string, () => unknown, RegExp]>([
    ['what may be undefined', one(z.number().optional()), /"a" may be undefined/],
    ['elements that may be', one(z.array(z.number().optional())), /field \[\], may be undefined/],
    ['members of a tuple that may be', one(z.tuple([z.string().optional()])), /field 0, may be/],
    ['a union with undefined', one(z.union([z.number(), z.undefined()])), /may be undefined/],
    ['NaN', one(z.nan()), /is a nan/],
    ['a literal NaN', one(z.literal([Number.NaN as Any])), /is a NaN/],
    ['a codec to a date', one(z.codec(z.string(), date, {} as Any)), /is a date/],
    ['a date that is caught', one(date.catch(new Date(0))), /is a date/],
    ['a date behind a union', one(z.union([z.string(), date])), /is a date/],
    ['a date by default', one(z.object({ at: date.default(new Date(0)) })), /field at, is a date/],
    ['dates in a map', one(z.record(z.string(), date)), /field \*, is a date/],
    ['a bigint in a tuple', one(z.tuple([z.string(), z.bigint()])), /field 1, is a bigint/],
    [
      'a set in an intersection',
      one(z.intersection(z.object({ a: z.string() }), z.object({ b: z.set(z.string()) }))),
      /field b, is a set/,
    ],
    ['a set in an extended struct', one(Rec.extend('X', { s: z.set(z.string()) })), /field s/],
    ['no schema', one('x'), /channel\(\) takes a zod schema, or a struct, not "x"/],
    ['nothing', one(undefined), /not nothing/],
    ['a basket of nothing', () => basket(['a'], undefined as Any), /basket\(\) takes a zod schema/],
    ['a dynamic basket of nothing', () => dynamicBasket(3 as Any), /dynamicBasket\(\) takes/],
    ['a field of nothing', () => field(3 as Any, 3 as Any), /field\(\) takes/],
    ['a field of a date', () => defineChannels({ f: field(date, new Date(0)) }), /is a date/i],
    ['a schema that is no channel', () => defineChannels({ a: Rec as Any }), /"a" is no channel/],
    ['a number', () => defineChannels({ a: 3 as Any }), /"a" is no channel/],
    ['null', () => defineChannels(null as Any), /no object of channels/],
    ['an unknown option', one(Rec, { sendd: true }), /the option "sendd".*they have state, stage/],
    ['an option of another type', one(Rec, { send: 'yes' }), /option send of "a" cannot be "yes"/],
    ['an unknown option of a state', one(Rec, { state: { by: 'k', keeep: 2 } }), /"keeep"/],
    ['a state that is none', one(Rec, { state: true }), /option state of "a" cannot be true/],
    ['options that are null', one(Rec, null), /the options of "a" are an object, not null/],
    ['options that are a list', one(Rec, []), /the options of "a" are an object, not \[\]/],
    [
      'options of a basket that are a number',
      () => defineChannels({ a: basket(['x'], Rec, 5 as Any) }),
      /the options of "a" are an object, not 5/,
    ],
    [
      'a schema of another library',
      () =>
        defineChannels({ a: { kind: 'single', schema: { parse: () => 1 }, options: {} } as Any }),
      /"a" is no channel/,
    ],
    ['a state that is null', one(Rec, { state: [null] }), /a state of "a" is null: say by what/],
    ['a state by a number', one(Rec, { state: { by: 5 } }), /by of a state of "a" is a path, or a/],
    ['a state by a list with one', one(Rec, { state: { by: ['k', 5] } }), /not \["k",5\]/],
    [
      'an index of a number',
      one(Rec, { state: { by: 'k', index: 5 } }),
      /index of a state of "a" is/,
    ],
    [
      'a state of a key that is no text',
      () => defineChannels({ a: dynamicBasket(Rec, { state: { by: 'k', key: 5 as Any } }) }),
      /key of a state of "a" is a text, not 5/,
    ],
    [
      'an extension by nothing',
      () => extendChannels(defineChannels({ a: channel(Rec) }), null as Any),
      /takes channels, or another contract/,
    ],
    ['a state of a key it has not', one(Rec, { state: { by: 'k', key: 'x' } }), /is no basket/],
    [
      'a state of a key of another basket',
      () => defineChannels({ a: basket(['x'], Rec, { state: { by: 'k', key: 'z' } }) }),
      /key "z", which the basket does not have/,
    ],
    ['read-only that is sent to', one(Rec, { readOnly: true, send: true }), /read-only/],
    [
      'keys that are no texts',
      () => defineChannels({ a: basket([0] as Any, Rec) }),
      /the key 0: a key is a text/,
    ],
    ['keys of nothing', () => basket(null as Any, Rec), /the keys of a basket are a list/],
    ['an extension of nothing', () => extendChannels(undefined as Any, {}), /takes a contract/],
    ['a struct without fields', () => struct('X', null as Any), /given its fields as an object/],
    ['a struct of no schemas', () => struct('X', { a: 3 as Any }), /field "a" of struct X/],
    [
      'an extension with an id',
      () => Rec.extend('X', { id: z.string() }),
      /declares the field "id"/,
    ],
    [
      'an extension that overwrites what a refinement sees',
      () => Rec.refine((rec) => rec.n > 0).extend('X', { n: z.string() }),
      /struct X cannot extend Rec/,
    ],
  ])('%s', (_, declare, message) => {
    expect(declare).toThrow(
      expect.objectContaining({
        name: 'ChannelsError',
        code: 'INVALID_CONTRACT',
        message: expect.stringMatching(message),
      }),
    )
  })
})

const channels = defineChannels({
  a: channel(z.number()),
  records: channel(Rec),
  fixed: basket(['A', 'B'], Rec),
  announced: basket(z.number()),
  living: dynamicBasket(Rec),
  settings: field(z.number(), 3),
  shown: channel(Rec, { readOnly: true }),
})

function simulate(modules: unknown, options: object = {}): Promise<unknown> {
  return Promise.resolve().then(() =>
    new Gateway({ channels, modules, ...options } as Any).simulate({ start: T0, duration: 10 }),
  )
}

const fails = (message: string) => (): never => {
  throw new Error(message)
}
const elsewhere = (): unknown => constant(new Graph(), 1)

describe('a module is refused, and named, for', () => {
  test.each<[string, object, ChannelsErrorCode, RegExp]>([
    ['an async connect', { connect: async () => undefined }, 'MODULE_FAILED', /is async: wire at/],
    ['one that throws', { connect: async () => fails('x')() }, 'MODULE_FAILED', /is async/],
    ['a connect that is none', { connect: 3 }, 'INVALID_OPTION', /connect of module "m" is no fun/],
    ['an unknown policy', { onError: 'skp' }, 'INVALID_OPTION', /"stop", "skip" or "deadLetter"/],
    ['a time that is none', { blockSetChannelsUntil: 'later' }, 'INVALID_OPTION', /"later"/],
    ['no number for a time', { blockSetChannelsUntil: Number.NaN }, 'INVALID_OPTION', /timestamp/],
    ['requires that is no list', { requires: 'a' }, 'INVALID_OPTION', /a list of channels/],
    ['requiring what is not there', { requires: ['aa'] }, 'UNKNOWN_CHANNEL', /no channel "aa"/],
    ['keys that fail', { dynamicKeys: fails('dk') }, 'MODULE_FAILED', /dynamicKeys .* failed: dk/],
    ['keys that are none', { dynamicKeys: () => 'AB' }, 'INVALID_OPTION', /an object by channel/],
    [
      'keys that are no list',
      { dynamicKeys: () => ({ announced: 'AB' }) },
      'INVALID_OPTION',
      /no list/,
    ],
    [
      'keys that are no texts',
      { dynamicKeys: () => ({ announced: [0] }) },
      'INVALID_OPTION',
      /key 0/,
    ],
    ['an empty key', { dynamicKeys: () => ({ announced: [''] }) }, 'INVALID_OPTION', /the key ""/],
    [
      'keys of a fixed basket',
      { dynamicKeys: () => ({ fixed: ['C'] }) },
      'UNKNOWN_CHANNEL',
      /keys of "fixed"/,
    ],
    [
      'keys of a prototype',
      { dynamicKeys: () => ({ toString: ['x'] }) },
      'UNKNOWN_CHANNEL',
      /"toString"/,
    ],
    ['channels that fail', { dynamicChannels: fails('dc') }, 'MODULE_FAILED', /failed: dc/],
    [
      'channels that are none',
      { dynamicChannels: () => ({ z: 3 }) },
      'INVALID_CONTRACT',
      /"z" is no channel/,
    ],
    [
      'a channel that is null, of a name that is taken',
      { dynamicChannels: () => ({ a: null }) },
      'CONFLICTING_CHANNEL',
      /adds the channel "a"/,
    ],
    [
      'channels of dates',
      { dynamicChannels: () => ({ z: channel(date) }) },
      'INVALID_CONTRACT',
      /is a date/,
    ],
    ['states that fail', { dynamicState: fails('ds') }, 'MODULE_FAILED', /failed: ds/],
    [
      'a state of nothing',
      { dynamicState: () => ({ z: { by: 'k' } }) },
      'UNKNOWN_CHANNEL',
      /"z", which nobody declares/,
    ],
    [
      'a state by nothing',
      { dynamicState: () => ({ records: { by: 'z' } }) },
      'INVALID_CONTRACT',
      /"z", which/,
    ],
  ])('%s', async (_, members, code, message) => {
    const module = { name: 'm', connect: () => undefined, ...members }
    await expect(simulate([module])).rejects.toMatchObject({
      name: 'ChannelsError',
      code,
      module: 'm',
      message: expect.stringMatching(message),
    })
  })

  test.each<[string, (c: Any) => unknown, ChannelsErrorCode, RegExp]>([
    [
      'an undefined channel',
      (c) => c.getChannel(undefined),
      'UNKNOWN_CHANNEL',
      /no channel undefined/,
    ],
    [
      'a name of the prototype',
      (c) => c.getChannel('constructor'),
      'UNKNOWN_CHANNEL',
      /"constructor"/,
    ],
    [
      'a field that is set',
      (c) => c.setChannel('settings', c.getChannel('a')),
      'UNKNOWN_CHANNEL',
      /"settings"/,
    ],
    ['a key of a field', (c) => c.getChannel('settings', 'x'), 'UNKNOWN_KEY', /is a field/],
    [
      'an edge of another graph',
      (c) => c.setChannel('a', elsewhere()),
      'WRONG_EDGE',
      /of another graph/,
    ],
    [
      'requests of another graph',
      (c) => c.setStageRequests('records', elsewhere()),
      'WRONG_EDGE',
      /another graph/,
    ],
    [
      'requests that are no edge',
      (c) => c.setStageRequests('records', 3),
      'WRONG_EDGE',
      /not to an edge/,
    ],
    [
      'a basket set to a list',
      (c) => c.setChannel('fixed', [c.getChannel('records')]),
      'WRONG_EDGE',
      /is a basket/,
    ],
    [
      'a basket that comes and goes set to one edge',
      (c) => c.setChannel('living', constant(c.graph, { k: 'x', n: 1 })),
      'WRONG_EDGE',
      /"living" is a basket whose keys come and go, and is set to the edge "m\/constant", which is none/,
    ],
    [
      'such a basket set to an object of edges',
      (c) => c.setChannel('living', { x: c.getChannel('records') }),
      'WRONG_EDGE',
      /"living" is set to object, not to an edge/,
    ],
    [
      'a channel set to such a basket',
      (c) => {
        const records = c.getChannel('records')
        c.setChannel('records', dynamicDemultiplex(records, records))
      },
      'WRONG_EDGE',
      /"records" is set to the basket "m\/dynamicDemultiplex", whose keys come and go/,
    ],
    [
      'an unknown key that is set',
      (c) => c.setChannel('fixed', { Z: c.getChannel('records') }),
      'UNKNOWN_KEY',
      /"Z"/,
    ],
    [
      'null for a key',
      (c) => c.setChannel('fixed', c.getChannel('records'), null),
      'UNKNOWN_KEY',
      /no key null/,
    ],
    ['a state of nothing', (c) => c.setState('records'), 'INVALID_CONTRACT', /say by what/],
    [
      'a state with the name of a channel',
      (c) => c.setState('records', { by: 'k', alias: 'a' }),
      'INVALID_CONTRACT',
      /name of a channel/,
    ],
    [
      'a state with no name',
      (c) => c.setState('records', { by: 'k', alias: 'a/b' }),
      'INVALID_CONTRACT',
      /"a\/b" is no name/,
    ],
    [
      'a state of a key that is not there',
      (c) => c.setState('fixed', { by: 'k', key: 'Z' }),
      'INVALID_CONTRACT',
      /key "Z"/,
    ],
    [
      'has sends go through what is no function',
      (c) => c.addSendChannel('a', undefined, 'validate'),
      'INVALID_OPTION',
      /a function of its edge, not through "validate"/,
    ],
    [
      'has sends go through what throws',
      (c) => c.addSendChannel('a', undefined, fails('boom')),
      'MODULE_FAILED',
      /could not be connected: boom/,
    ],
    ['sends to an unknown key', (c) => c.addSendChannel('fixed', 'Z'), 'UNKNOWN_KEY', /"Z"/],
    [
      'sends to a key of a channel',
      (c) => c.addSendChannel('a', 'Z'),
      'UNKNOWN_KEY',
      /is no basket/,
    ],
    [
      'sends to what is read-only',
      (c) => c.addSendChannel('shown'),
      'READ_ONLY',
      /"shown" read-only/,
    ],
    ['staging what is read-only', (c) => c.setStage('shown'), 'READ_ONLY', /"shown" read-only/],
    [
      'staging a dynamic basket',
      (c) => c.setStage('living'),
      'INVALID_CONTRACT',
      /cannot be staged/,
    ],
    [
      'events of what nobody stages',
      (c) => c.getStageEvents('records'),
      'NO_STAGE',
      /nobody stages "records", of which "m" wants/,
    ],
    [
      'a state that nobody declares',
      (c) => c.getState('records'),
      'NO_STATE',
      /no state "records", which "m" reads/,
    ],
  ])('%s', async (_, connect, code, message) => {
    await expect(simulate([loose('m', connect, { requires: [] })])).rejects.toMatchObject({
      name: 'ChannelsError',
      code,
      module: 'm',
      message: expect.stringMatching(message),
    })
  })
})

test.each<[string, unknown, object, RegExp]>([
  ['modules that are no list', {}, {}, /modules are a list/],
  ['a module that is missing', [undefined], {}, /module 1 of the list is no module but undefined/],
  ['a class in place of a module', [class M {}], {}, /a function or class/],
  ['a module without a name', [{ connect: () => undefined }], {}, /has a name/],
  ['no contract', [], { channels: undefined }, /channels is a contract/],
  ['channels that are no contract', [], { channels: { a: channel(z.number()) } }, /is a contract/],
])('a gateway is refused for %s', async (_, modules, options, message) => {
  await expect(simulate(modules, options)).rejects.toMatchObject({
    name: 'ChannelsError',
    code: 'INVALID_OPTION',
    message: expect.stringMatching(message),
  })
})

test('a key that is no key of a plain object is none of a dynamic basket', async () => {
  const gateway = new Gateway({
    channels: defineChannels({ living: dynamicBasket(Rec, { send: true }) }),
    modules: [],
  })
  await gateway.start()
  expect(() => gateway.channels.send('living', { k: 'a', n: 1 }, '__proto__')).toThrow(
    expect.objectContaining({ code: 'UNKNOWN_KEY', channel: 'living', key: '__proto__' }),
  )
  await gateway.stop()
})

test('a state of a key that no module announces is refused; of a basket without keys it is empty', async () => {
  const stateOf = (key: string | undefined) =>
    simulate(
      [
        loose('m', (c) => c.setState('keyed', { by: 'k', ...(key === undefined ? {} : { key }) }), {
          requires: [],
        }),
      ],
      { channels: defineChannels({ keyed: basket(Rec) }) },
    )
  await expect(stateOf('A')).rejects.toMatchObject({
    code: 'UNKNOWN_KEY',
    channel: 'keyed',
    key: 'A',
  })
  await stateOf(undefined)
})
