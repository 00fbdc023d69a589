import { auditChannel, channel, defineChannels, Gateway, struct } from '@gw/channels'
import type { Authenticator } from '@gw/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { webServer } from '../src/index.js'
import { ask } from './support/http.js'
import { RecordingSocket } from './support/recording-socket.js'

const Row = struct('Row', { n: z.number() })
const channels = defineChannels({
  rows: channel(Row, { send: true, stage: true }),
  secret: channel(Row, { send: true }),
  audit: auditChannel(),
})

const auth: Authenticator = {
  name: 'trusting',
  authenticate: (credentials) => {
    const name = credentials.header('x-who')
    if (name === undefined) return { ok: false, code: 'UNAUTHORIZED', detail: 'unauthorized' }
    const scopes = [
      { operations: ['read', 'send', 'stage'] as const, channels: ['rows'] },
      ...(name === 'auditor' ? [{ operations: ['read'] as const, channels: ['audit'] }] : []),
    ]
    return { ok: true, identity: { name, credential: 'key-1', scopes } }
  },
}

test('the audit channel tells who has sent, staged and released what, and what was refused', async () => {
  const server = webServer({ port: 0, auth })
  const gateway = new Gateway({ channels, modules: [server] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const url = server.url as string
  const heard: unknown[] = []
  gateway.channels.watch('audit', undefined, ({ value }) => heard.push(value))
  const by = (who: string, method: string, path: string, body?: unknown) =>
    ask(url, `/api/v1/${path}`, { method, headers: { 'x-who': who }, body })

  await by('ann', 'POST', 'send/rows', [
    { n: 1, id: '1' },
    { n: 2, id: '2' },
  ])
  await by('ann', 'POST', 'stage/rows', { n: 3, id: '3' })
  await by('ben', 'PATCH', 'stage/rows')
  await by('ann', 'POST', 'send/secret', { n: 4 })
  await by('ann', 'POST', 'send/rows', { n: 'wrong' })
  await by('ann', 'GET', 'last/rows')
  await ask(url, '/api/v1/last/rows?token=a-key-in-the-url')
  const socket = await RecordingSocket.open(url, { 'x-who': 'ann' })
  onTestFinished(() => socket.terminate())
  await socket.ask({ action: 'send', id: 1, channel: 'rows', data: { n: 5, id: '5' } })
  await socket.ask({ action: 'send', id: 2, channel: 'secret', data: { n: 6 } })
  await socket.ask({
    action: 'batch',
    id: 3,
    sends: [{ channel: 'rows', data: { n: 7, id: '7' } }],
  })
  await expect(RecordingSocket.open(url, {})).rejects.toThrow('403')

  const ann = { identity: 'ann', credential: 'key-1' }
  await expect
    .poll(() => heard)
    .toMatchObject([
      { ...ann, action: 'send', channel: 'rows', records: ['1', '2'] },
      { ...ann, action: 'stage', channel: 'rows', records: ['3'] },
      { identity: 'ben', action: 'release', channel: 'rows', records: ['3'] },
      { ...ann, action: 'refused', code: 'FORBIDDEN', path: '/api/v1/send/secret' },
      { action: 'refused', code: 'UNAUTHORIZED', path: '/api/v1/last/rows', address: '127.0.0.1' },
      { ...ann, action: 'send', channel: 'rows', records: ['5'] },
      { ...ann, action: 'refused', code: 'FORBIDDEN', path: '/api/v1/stream' },
      { ...ann, action: 'send', channel: 'rows', records: ['7'] },
      { action: 'refused', code: 'UNAUTHORIZED', path: '/api/v1/stream' },
    ])
  expect(JSON.stringify(heard)).not.toContain('a-key-in-the-url')
  expect((await by('auditor', 'GET', 'last/audit')).body).toMatchObject([{ action: 'refused' }])
  expect(await by('ann', 'GET', 'last/audit')).toMatchObject({ status: 403 })
  expect(await by('auditor', 'POST', 'send/audit', { action: 'send' })).toMatchObject({
    status: 403,
  })
})
