import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  auditChannel,
  channel,
  defineChannels,
  dynamicBasket,
  Gateway,
  type Module,
  struct,
} from '@gw/channels'
import { type WebServerOptions, webServer } from '@gw/server-hono'
import { onTestFinished } from 'vitest'
import { z } from 'zod'

const Row = struct('Row', { owner: z.string(), n: z.int().default(0) })

const channels = defineChannels({
  rows: channel(Row, { send: true, stage: true, state: { by: 'n', alias: 'numbered' } }),
  others: channel(Row, { send: true }),
  prices: dynamicBasket(Row, { send: true }),
  controls: channel(z.object({ name: z.string() }), { required: false }),
  audit: auditChannel(),
})

/** A gateway on TCP and on a UNIX socket, for one test, and all that it has logged. */
export async function serve(options: WebServerOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'gw-auth-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const unix = join(folder, 'gateway.sock')
  const logged: unknown[] = []
  const note = (...what: unknown[]): void => {
    logged.push(...what.map((each) => (each instanceof Error ? String(each.stack) : each)))
  }
  const log = { info: note, warn: note, error: note }
  const server = webServer({ port: 0, unix, log, ...options })
  const gateway = new Gateway({ channels, modules: [server as Module<typeof channels.channels>] })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const heard: unknown[] = []
  gateway.channels.watch('audit', undefined, ({ value }) => heard.push(value))
  return { url: server.url as string, unix, gateway, logged, heard }
}
