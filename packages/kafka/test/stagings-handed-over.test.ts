import { randomUUID } from 'node:crypto'
import { channel, defineChannels, defineModule, Gateway, struct } from '@gw/channels'
import { cluster } from '@gw/kafka'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { settled } from './support/settled-cluster.js'
import {
  broker,
  brokers,
  holderOf,
  list,
  type Member,
  newGroup,
  type One,
  Order,
  open,
  order,
  stage,
  startMember,
  stop,
  symbols,
} from './support/staging-cluster.js'

describe.skipIf(brokers === undefined)('stagings of a cluster whose gateways come and go', () => {
  afterAll(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
  }, 60_000)

  test('are handed over by who goes, come back to a cluster that was gone, and released once', async () => {
    const [topic, groupId] = await newGroup()
    let members = await Promise.all([1, 2].map(() => startMember(topic, groupId)))
    await settled(members)
    const [one] = members as [Member]
    const opened: string[] = []
    for (let i = 0; i < 4; i++)
      opened.push(...Object.keys((await stage(one, 'POST', 'orders')).body))
    const [a, b, c, d] = opened as [string, string, string, string]
    await stage(one, 'POST', `orders?id=${b},${c}`, order('r1'))
    await stage(one, 'POST', `orders?id=${b}`, order('r2'))
    await stage(one, 'POST', `orders?id=${b}`, order('r3', { owner: 'ann' }), 'ann')
    await stage(one, 'POST', `orders?id=${b}`, order('r1', { quantity: 7 }))
    await stage(one, 'DELETE', `orders?id=${b}`, { id: 'r2' })
    await stage(one, 'DELETE', 'orders')
    const quantities = async (at: One): Promise<unknown> =>
      Object.entries((await stage(at, 'PUT', 'orders')).body).map(([id, records]) => [
        id,
        records.map(({ id, quantity }) => `${id} ${quantity}`),
      ])
    const expected = [
      [a, []],
      [b, ['r1 7', 'r3 1']],
      [c, ['r1 1']],
    ]
    expect(await quantities(one)).toEqual(expected)
    const holder = holderOf(members, 'orders')
    await stop(holder)
    members = members.filter((member) => member !== holder)
    await settled(members)
    expect(await quantities(members[0] as Member)).toEqual(expected)
    const found = await fetch(`${members[0]?.url}/api/v1/lookup/orders/r3`)
    expect(await found.json()).toMatchObject([{ id: 'r3' }])
    // Who comes may be given them.
    members.push(await startMember(topic, groupId))
    await settled(members)
    for (const member of members) {
      expect(await quantities(member)).toEqual(expected)
      expect((await stage(member, 'GET', `orders?id=${d}`)).body).toEqual([])
      expect((await stage(member, 'PATCH', `orders?id=${d}`)).body).toEqual({})
    }
    await Promise.all(members.map(stop))
    members = [await startMember(topic, groupId)]
    await settled(members)
    const [last] = members as [Member]
    expect(await quantities(last)).toEqual(expected)
    const [e] = Object.keys((await stage(last, 'POST', 'orders')).body)
    expect((await list(last)).body).toEqual([a, b, c, e])
    const seen: unknown[] = []
    last.gateway.channels.watch('seen', undefined, ({ value }) => seen.push(value))
    last.gateway.channels.send('asks', {
      channel: 'orders',
      action: 'RELEASED',
      symbols: [],
      ids: [b],
    })
    // Who staged it is known still.
    await expect
      .poll(() => seen)
      .toMatchObject([
        { of: 'r1', origin: 'everybody' },
        { of: 'r3', origin: 'ann' },
      ])
    await stop(last)
    const again = await startMember(topic, groupId)
    await settled([again])
    expect((await list(again)).body).toEqual([a, c, e])
    expect(
      await again.module.query('taken', { sort: [{ path: 'id', order: 'asc' }] }),
    ).toMatchObject([{ id: 'r1' }, { id: 'r3' }])
  }, 90_000)

  test('nothing is lost or released twice while gateways come and go', async () => {
    const [topic, groupId] = await newGroup()
    const stays = await startMember(topic, groupId)
    await settled([stays])
    const ticked: string[] = []
    const watched = new Set<Member>()
    const watch = (member: Member): void => {
      watched.add(member)
      member.gateway.channels.watch('orders', undefined, ({ value }) =>
        ticked.push((value as { readonly id: string }).id),
      )
    }
    watch(stays)
    const added: string[] = []
    let isOver = false
    const working = (async () => {
      for (let i = 0; !isOver; i++) {
        const id = `${randomUUID()}-${i % symbols.length}`
        const answer = await stage<unknown>(stays, 'POST', 'orders', {
          id,
          symbol: symbols[i % 12],
          quantity: 1,
        })
        expect(answer).toMatchObject({ status: 200 })
        added.push(id)
        if (i % 5 === 4)
          expect(await stage<unknown>(stays, 'PATCH', 'orders')).toMatchObject({ status: 200 })
      }
    })()
    const come = await Promise.all([1, 2].map(() => startMember(topic, groupId)))
    come.forEach(watch)
    await settled([stays, ...come])
    const before = added.length
    await expect.poll(() => added.length, { timeout: 30_000 }).toBeGreaterThan(before + 20)
    for (const member of come) await stop(member)
    await settled([stays])
    isOver = true
    await working
    await stage(stays, 'PATCH', 'orders')
    expect(added.length).toBeGreaterThan(20)
    expect([...new Set(ticked)].sort()).toEqual([...added].sort())
    const taken = (await stays.module.query('taken')) as readonly { readonly id: string }[]
    expect(taken.map(({ id }) => id).sort()).toEqual([...added].sort())
  }, 90_000)
  test('what does not fit a changed contract is left out and told, and is there when that is taken back', async () => {
    const [topic, groupId] = await newGroup()
    const start = async (most: number) => {
      const Parcel = struct('Parcel', { weight: z.number().max(most) })
      const changed = defineChannels({
        orders: channel(Order),
        parcels: channel(Parcel, { stage: true }),
      })
      const module = cluster<(typeof changed)['channels']>({
        brokers: [broker],
        groupId,
        by: {},
        subscribe: { orders: { [topic]: '' } },
        sessionTimeoutMs: 6_000,
      })
      const reader = defineModule(changed, 'reader', (c) => {
        c.getChannel('parcels')
      })
      const gateway = new Gateway({ channels: changed, modules: [reader, module] })
      await gateway.start()
      open.add(gateway as never)
      await vi.waitUntil(() => module.ready.length === 6, { timeout: 30_000 })
      const weights = async (): Promise<unknown> =>
        Object.values((await module.shared?.stageLookup('parcels')) ?? {}).map((records) =>
          records.map((record) => (record as z.output<typeof Parcel>).weight),
        )
      const end = async (): Promise<void> => {
        open.delete(gateway as never)
        await gateway.stop()
      }
      return {
        module,
        weights,
        end,
        add: (weight: number) => module.shared?.stageAdd('parcels', { weight }),
      }
    }
    const before = await start(10)
    for (const weight of [1, 9, 2]) await before.add(weight)
    await before.end()
    const changed = await start(5)
    expect(await changed.weights()).toEqual([[1, 2]])
    expect(changed.module.unrestored).toBe(1)
    await changed.end()
    const back = await start(10)
    expect(await back.weights()).toEqual([[1, 9, 2]])
    await back.end()
    const again = await start(5)
    await again.add(3)
    expect(await again.weights()).toEqual([[1, 2, 3]])
    await again.end()
    const last = await start(5)
    expect(await last.weights()).toEqual([[1, 2, 3]])
    await last.end()
  }, 90_000)
})
