import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { channel, defineChannels, Gateway } from '../src/index.js'
import type { Any } from './support.js'

const Span = z.object({
  'span.id': z.string(),
  span: z.object({ id: z.string() }),
  'http.status': z.int(),
  'back\\slash': z.int().default(0),
  tags: z.record(z.string(), z.string()).default({}),
  'a.b': z.object({ 'c.d': z.int() }).default({ 'c.d': 0 }),
})
const span = (id: string, status: number, more: object = {}): z.input<typeof Span> => ({
  'span.id': id,
  span: { id: `inner ${id}` },
  'http.status': status,
  ...more,
})
const contract = defineChannels({
  spans: channel(Span, {
    send: true,
    state: [
      { by: 'span\\.id', index: 'http\\.status' },
      { by: 'span.id', alias: 'by_inner' },
      { by: ['a\\.b.c\\.d'], alias: 'by_nested' },
    ],
  }),
})

async function started(): Promise<Any> {
  const gateway = new Gateway({ channels: contract })
  onTestFinished(async () => void (await gateway.stop()))
  await gateway.start()
  return gateway.channels
}

describe('a name with a dot', () => {
  test('is kept by, found, sorted by and selected with a \\ in front of the dot', async () => {
    const live = await started()
    const [a, b, c] = live.sendAll('spans', [
      span('a', 200, { 'a.b': { 'c.d': 1 } }),
      span('b', 500, { tags: { 'http.method': 'GET', http: 'no' }, 'a.b': { 'c.d': 1 } }),
      span('c', 500, { 'back\\slash': 1 }),
    ]).records
    const found = (where: object): unknown => live.query('spans', { where })
    expect(found({ 'span\\.id': 'a' })).toEqual([a])
    expect(found({ 'span.id': 'inner a' })).toEqual([a])
    expect(found({ 'http\\.status': { in: [500] } })).toEqual([b, c])
    expect(found({ 'tags.http\\.method': 'GET' })).toEqual([b])
    expect(found({ 'tags.http': 'no' })).toEqual([b])
    expect(found({ 'a\\.b.c\\.d': { ge: 1 } })).toEqual([a, b])
    expect(found({ 'back\\\\slash': 1 })).toEqual([c])
    expect(found({ 'span.id': { ne: { path: 'span\\.id' } } })).toEqual([a, b, c])
    expect(live.query('by_inner', { where: { 'span\\.id': 'b' } })).toEqual([b])
    expect(live.query('by_nested', { sort: '-http\\.status' })).toEqual([c, b])
    expect(live.query('spans', { sort: ['-http\\.status', '-span\\.id'] })).toEqual([c, b, a])
    expect(
      live.query('spans', {
        where: { 'span\\.id': 'b' },
        select: ['span\\.id', 'tags.http\\.method', 'a\\.b.c\\.d'],
      }),
    ).toEqual([{ 'span.id': 'b', tags: { 'http.method': 'GET' }, 'a.b': { 'c.d': 1 } }])
    // What lies inside is kept with it once, and what only looks as if it did is not.
    expect(live.query('spans', { select: ['span', 'span.id', 'span\\.id'], limit: 1 })).toEqual([
      { span: { id: 'inner a' }, 'span.id': 'a' },
    ])
  })

  test('is found among many, and among those that tick', async () => {
    const live = await started()
    const many = Array.from({ length: 3_000 }, (_, i) => span(`s${i}`, i % 2 ? 200 : 500 + i))
    live.sendAll('spans', many)
    const where = { 'http\\.status': { gt: 500 }, 'span\\.id': { ne: 's2' } }
    expect(live.count('spans', { where })).toBe(1_498)
    expect(live.count('spans', { where: { 'span\\.id': { in: ['s1', 's2'] } } })).toBe(2)
  })

  test('is told its path when it is asked for without', async () => {
    const live = await started()
    for (const query of [
      { where: { 'http.status': 1 } },
      { sort: 'http.status' },
      { select: ['http.status'] },
    ]) {
      expect(() => live.query('spans', query)).toThrow(
        'no attribute "http.status": the path of the field of that name is http\\.status',
      )
    }
    expect(() => live.query('spans', { where: { 'no.such': 1 } })).toThrow(/"no\.such"$/)
    expect(() =>
      defineChannels({ spans: channel(Span, { state: { by: 'http.status' as never } }) }),
    ).toThrow('which its records do not have: the path of the field of that name is http\\.status')
  })
})
