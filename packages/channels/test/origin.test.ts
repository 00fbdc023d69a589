import { isDeepStrictEqual } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { channel, defineChannels, Gateway, originOf, struct } from '../src/index.js'

const Note = struct('Note', { text: z.string() })
const channels = defineChannels({
  notes: channel(Note, { send: true }),
  frozen: channel(z.object({ text: z.string() }).readonly(), { send: true }),
  lists: channel(z.array(Note), { send: true }),
  numbers: channel(z.number(), { send: true }),
})

let gateway: Gateway<(typeof channels)['channels']> | undefined
afterEach(() => gateway?.stop())

async function live(): Promise<Gateway<(typeof channels)['channels']>['channels']> {
  gateway = new Gateway({ channels, modules: [] })
  await gateway.start()
  return gateway.channels
}

const BY_ANN = { origin: 'ann' }

describe('who sent a record is known', () => {
  test('and nobody sees it on the record itself', async () => {
    const running = await live()
    const note = running.send('notes', { text: 'a' }, undefined, BY_ANN)
    expect(originOf(note)).toBe('ann')
    expect(Reflect.ownKeys(note)).toEqual(['id', 'timestamp', 'text'])
    expect(isDeepStrictEqual(note, { ...note })).toBe(true)
    expect(originOf({ ...note })).toBeUndefined()
    expect(structuredClone(note)).toEqual(note)
  })

  test('of records that are frozen, of each in a list, and of none that is no object', async () => {
    const running = await live()
    const frozen = running.send('frozen', { text: 'a' }, undefined, BY_ANN)
    expect(Object.isFrozen(frozen)).toBe(true)
    expect(originOf(frozen)).toBe('ann')
    const list = running.send('lists', [{ text: 'a' }, { text: 'b' }], undefined, BY_ANN)
    expect([list, ...list].map(originOf)).toEqual(['ann', 'ann', 'ann'])
    expect(originOf(running.send('numbers', 5, undefined, BY_ANN))).toBeUndefined()
  })
})
