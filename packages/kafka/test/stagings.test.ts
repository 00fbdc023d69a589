import type { ClusterOptions } from '@gw/kafka'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { settled } from './support/settled-cluster.js'
import {
  brokers,
  type Channels,
  empty,
  limits,
  list,
  type Member,
  newGroup,
  newIds,
  type One,
  type Order,
  open,
  order,
  type Seen,
  stage,
  staged,
  startMember,
  startOne,
  stop,
  type Told,
} from './support/staging-cluster.js'

describe.skipIf(brokers === undefined)('stagings of a cluster', () => {
  let members: Member[] = []
  let [first, second, third] = members as [Member, Member, Member]
  const statuses: string[] = []

  beforeAll(async () => {
    const [topic, groupId] = await newGroup()
    const onStatus: ClusterOptions<Channels>['onStatus'] = (_, { message }) => {
      statuses.push(message)
    }
    members = await Promise.all([1, 2, 3].map(() => startMember(topic, groupId, { onStatus })))
    ;[first, second, third] = members as [Member, Member, Member]
    await settled(members)
  }, 60_000)

  afterAll(async () => {
    await Promise.all([...open].map((gateway) => gateway.stop()))
  }, 60_000)

  test('each call of each channel answers at any gateway as it does on one alone', async () => {
    const alone = await startOne()
    const place = fc.oneof(
      { weight: 4, arbitrary: fc.nat(5) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'none',
          '__proto__',
          'constructor',
          '%00',
          '%F0%9F%92%A9',
          '*',
          '"',
          'x'.repeat(300),
        ),
      },
    )
    const call = fc.record({
      at: fc.nat(2),
      who: fc.constantFrom(undefined, undefined, 'ann', 'bob'),
      name: fc.constantFrom('orders', 'orders', 'lots', 'notes', 'unknown'),
      method: fc.constantFrom('POST', 'POST', 'POST', 'POST', 'DELETE', 'PATCH', 'GET', 'PUT'),
      ids: fc.oneof(
        fc.constant(undefined),
        fc.constant(''),
        fc.array(place, { minLength: 1, maxLength: 3 }),
      ),
      body: fc.oneof(
        fc.constant(undefined),
        fc.record({
          id: fc.constantFrom('r1', 'r2', 'r3', 'r4'),
          symbol: fc.constant('s01'),
          quantity: fc.integer({ min: 0, max: 9 }),
          owner: fc.constantFrom('ann', 'bob'),
          text: fc.constant('note'),
        }),
      ),
    } as const)
    type Call = typeof call extends fc.Arbitrary<infer T> ? T : never
    const run = async (calls: readonly Call[], worlds: readonly One[]) => {
      for (const name of ['orders', 'lots', 'notes']) await empty(worlds[0] as One, name)
      /** Ids of stagings as they were told, by channel. */
      const told: string[] = []
      const known = (id: string): string => (told.includes(id) ? `staging ${told.indexOf(id)}` : id)
      const answers: unknown[] = []
      for (const { at, who, name, method, ids, body } of calls) {
        const named =
          typeof ids === 'string'
            ? ids
            : ids?.map((id) => (typeof id === 'number' ? (told[id] ?? 'none') : id)).join()
        const path = named === undefined ? name : `${name}?id=${named}`
        const sent = method === 'POST' || method === 'DELETE' ? body : undefined
        const { status, body: answer } = await stage<unknown>(
          worlds[at % worlds.length] as One,
          method,
          path,
          sent,
          who,
        )
        const isAnswer = status === 200
        if (isAnswer && !Array.isArray(answer)) {
          for (const id of Object.keys(answer as object)) if (!told.includes(id)) told.push(id)
        }
        const text = JSON.stringify(answer)
          .replace(/\d{30}/g, known)
          .replace(/"timestamp":"[^"]+"/g, '"timestamp":""')
        answers.push([method, path.replace(/\d{30}/g, known), status, text])
      }
      return answers
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 10, maxLength: 40, size: 'max' }),
        async (calls) => {
          const [of3, of1] = [await run(calls, members), await run(calls, [alone])]
          expect(of3).toEqual(of1)
        },
      ),
      { numRuns: 12 },
    )
    await stop(alone)
    for (const name of ['orders', 'lots', 'notes']) await empty(first, name)
  }, 60_000)

  test('several gateways that add at once open one staging, and no record is lost or twice', async () => {
    await empty(first)
    const ids = newIds(30)
    const answers = await Promise.all(
      ids.map((id, i) => stage(members[i % 3] as Member, 'POST', 'orders', order(id))),
    )
    expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200))
    expect((await list(second)).body).toHaveLength(1)
    expect((await staged(third)).sort()).toEqual([...ids].sort())
    const releases = await Promise.all(members.map((one) => stage(one, 'PATCH', 'orders')))
    const released = releases.flatMap(({ body }) => Object.values(body).flat())
    expect(released.map(({ id }) => id).sort()).toEqual([...ids].sort())
    expect((await list(first)).body).toEqual([])
  })

  test('what is added while others release ticks once, or is staged still', async () => {
    await empty(first)
    const ids = newIds(40)
    const ticked: string[] = []
    const watches = members.map(({ gateway }) =>
      gateway.channels.watch('orders', undefined, ({ value }) =>
        ticked.push((value as { readonly id: string }).id),
      ),
    )
    await Promise.all(
      ids.map(async (id, i) => {
        await stage(members[i % 3] as Member, 'POST', 'orders', order(id))
        if (i % 7 === 0) await stage(members[(i + 1) % 3] as Member, 'PATCH', 'orders')
      }),
    )
    expect([...ticked, ...(await staged(second))].sort()).toEqual([...ids].sort())
    await stage(second, 'PATCH', 'orders')
    expect([...ticked].sort()).toEqual([...ids].sort())
    for (const watch of watches) watch.stop()
  })

  test('nobody drops or releases what others add at the same time at another gateway', async () => {
    const bobs: string[] = []
    for (let round = 0; round < 8; round++) {
      await empty(first)
      const ids = newIds(4)
      bobs.push(...ids)
      await stage(first, 'POST', 'orders', order('ann-1', { owner: 'ann' }), 'ann')
      const [drop, release, ...adds] = await Promise.all([
        stage(second, 'DELETE', 'orders', undefined, 'ann'),
        stage(third, 'PATCH', 'orders', undefined, 'ann'),
        ...ids.map((id, i) =>
          stage(members[i % 3] as Member, 'POST', 'orders', order(id, { owner: 'bob' }), 'bob'),
        ),
      ])
      expect([200, 403]).toContain(drop?.status)
      expect([200, 403]).toContain(release?.status)
      expect(adds.map(({ status }) => status)).toEqual([200, 200, 200, 200])
      expect(await staged(third)).toEqual(expect.arrayContaining(ids))
    }
    const taken = await first.module.query('taken')
    expect(taken.filter((record) => bobs.includes((record as z.output<typeof Order>).id))).toEqual(
      [],
    )
    await empty(first)
  })

  test('has the bounds of one gateway, whoever is asked', async () => {
    await empty(first)
    for (let i = 0; i < limits.stagings; i++) {
      expect((await stage(members[i % 3] as Member, 'POST', 'orders')).status).toBe(200)
    }
    for (const member of members) {
      const refused = await stage<unknown>(member, 'POST', 'orders')
      expect(refused).toMatchObject({ status: 503, body: { code: 'OVERLOADED' } })
    }
    await empty(second)
    expect((await stage(third, 'POST', 'orders')).status).toBe(200)
    await empty(second)
  })

  test('tells of each change once, and the audit channel of who was let in where', async () => {
    await empty(first)
    const told: string[] = []
    const audited: string[] = []
    const watches = members.flatMap(({ gateway }, i) => [
      gateway.channels.watch('told', undefined, ({ value }) => {
        const { action, items } = value as z.output<typeof Told>
        told.push(`${action} ${items}`)
      }),
      gateway.channels.watch('audit', undefined, ({ value }) => {
        const { identity, action } = value as { identity: string; action: string }
        audited.push(`${i} ${identity} ${action}`)
      }),
    ])
    await stage(first, 'POST', 'orders', order('e1', { owner: 'ann' }), 'ann')
    await stage(second, 'POST', 'orders', order('e2', { owner: 'bob' }), 'bob')
    await stage(second, 'DELETE', 'orders', { id: 'e2' }, 'bob')
    await stage(third, 'PATCH', 'orders', undefined, 'ann')
    await expect
      .poll(() => told)
      .toEqual(['CREATED 0', 'ADDED 1', 'ADDED 1', 'REMOVED 1', 'RELEASED 1'])
    await expect
      .poll(() => [...audited].sort())
      .toEqual(['0 ann stage', '1 bob stage', '1 bob unstage', '2 ann release'])
    for (const watch of watches) watch.stop()
  })

  test('nodes of any gateway change them; what cannot be met is no end of the gateway', async () => {
    for (const [i, member] of members.entries()) {
      member.gateway.channels.send('asks', { action: 'ADDED', symbols: [`n${i}`, `m${i}`] })
    }
    const drafts = async (): Promise<string[]> =>
      Object.values((await stage(second, 'PUT', 'drafts')).body)
        .flat()
        .map(({ symbol }) => symbol)
        .sort()
    await expect.poll(drafts).toEqual(['m0', 'm1', 'm2', 'n0', 'n1', 'n2'])
    for (const member of members) expect((await list(member, 'drafts')).body).toHaveLength(1)
    const ticked: string[] = []
    const watches = members.map(({ gateway }) =>
      gateway.channels.watch('drafts', undefined, ({ value }) =>
        ticked.push((value as { readonly symbol: string }).symbol),
      ),
    )
    third.gateway.channels.send('asks', { action: 'ADDED', symbols: ['x'], ids: ['none'] })
    third.gateway.channels.send('asks', { action: 'RELEASED', symbols: [] })
    await expect.poll(() => [...ticked].sort()).toEqual(['m0', 'm1', 'm2', 'n0', 'n1', 'n2'])
    expect(await drafts()).toEqual([])
    expect(statuses.join()).toContain(
      'a stage request of "drafts" cannot be met: Staging ID not found: none',
    )
    expect(third.gateway.health.live).toBe(true)
    for (const watch of watches) watch.stop()
  })

  test('what a node stages, or releases, is of whom it was, as on one gateway', async () => {
    const alone = await startOne()
    const send = ({ url }: One, channel: string, body: object, who?: string) =>
      fetch(`${url}/api/v1/send/${channel}`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          ...(who === undefined ? {} : { 'x-api-key': who }),
        },
        body: JSON.stringify(body),
      })
    const seenIn = async (worlds: readonly One[]): Promise<string[]> => {
      const at = (number: number) => worlds[number % worlds.length] as One
      const seen: string[] = []
      const watches = worlds.map(({ gateway }) =>
        gateway.channels.watch('seen', undefined, ({ value }) => {
          const { of, origin } = value as z.output<typeof Seen>
          seen.push(`${of} of ${origin}`)
        }),
      )
      for (const [i, owner] of ['ann', 'bob', 'ann', 'bob'].entries()) {
        await stage(at(i), 'POST', 'orders', order(`staged-${i}`, { owner }), owner)
        await send(at(i + 1), 'held', order(`held-${i}`, { owner }), owner)
      }
      await expect.poll(async () => (await staged(at(2), 'drafts')).length).toBe(4)
      for (const channel of ['orders', 'drafts']) {
        await send(at(0), 'asks', { channel, action: 'RELEASED', symbols: [] })
      }
      await expect.poll(() => seen.length).toBe(8)
      for (const watch of watches) watch.stop()
      return seen.sort()
    }
    for (const name of ['orders', 'drafts']) await empty(first, name)
    const of1 = await seenIn([alone])
    expect(of1).toContain('staged-1 of bob')
    expect(of1).toContain('held-2 of ann')
    expect(await seenIn(members)).toEqual(of1)
    await stop(alone)
  })
})
