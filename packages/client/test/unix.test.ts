import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient } from '../src/index.js'
import { unix } from '../src/unix.js'
import type { TestContract } from './support/contract.js'
import { FakeGateway } from './support/fake-gateway.js'

let folder: string
let path: string
let gateway: FakeGateway

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gw-client-'))
  path = join(folder, 'a gateway: 1.sock')
  gateway = await FakeGateway.start(path)
})

afterEach(async () => {
  await gateway[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test('calls and the stream go over the socket, with the key', async () => {
  const client = createClient<TestContract>({ ...unix(path), apiKey: 'secret' })
  gateway.on('GET /api/v1/state/orders', { body: [] })
  gateway.on('POST /api/v1/stage/orders', { body: { '1': [] } })
  expect(await client.orders.query({ limit: 1 })).toEqual([])
  expect(await client.orders.stage.add({ symbol: 'A', side: 'buy', quantity: 1 })).toEqual({
    '1': [],
  })
  const subscription = client.total.subscribe()
  await subscription.ready
  gateway.tick('total', 1)
  for await (const total of subscription) {
    expect(total).toBe(1)
    break
  }
  client.$close()
  expect(gateway.requests.map(({ headers }) => headers['x-api-key'])).toEqual([
    'secret',
    'secret',
    'secret',
  ])
})

test('a call that is given up, and a socket that is not there, end in errors', async () => {
  const client = createClient<TestContract>(unix(path))
  const signal = AbortSignal.abort()
  await expect(client.orders.last({ signal })).rejects.toMatchObject({ code: 'ABORTED' })
  const nobody = createClient<TestContract>(unix(join(folder, 'nobody')))
  await expect(nobody.orders.stage.release()).rejects.toMatchObject({ code: 'CONNECTION_FAILED' })
})
