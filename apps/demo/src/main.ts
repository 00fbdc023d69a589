import process from 'node:process'
import { apiKey } from '@gw/auth-apikey'
import type { Module } from '@gw/channels'
import { wallClock } from '@gw/core'
import { kafka } from '@gw/kafka'
import { webServer } from '@gw/server-hono'
import type { DemoChannels } from '@gw-apps/demo-contract'
import { FlightsFile } from './data/flights.js'
import { demoGateway } from './gateway.js'
import { watchParents } from './lifeline.js'
import { DEMO_HELP, type DemoCommand, parseDemoCommand, reportOf, UsageError } from './options.js'

/** How long a stop may take before the process ends anyway. */
const STOP_MS = 1_500

try {
  const command = parseDemoCommand(process.argv.slice(2))
  if (command.help) process.stdout.write(DEMO_HELP)
  else await serve(command)
} catch (error) {
  process.stderr.write(`demo: ${reportOf(error)}\n`)
  process.exit(1)
}

async function serve(command: DemoCommand): Promise<void> {
  const file = await FlightsFile.open(command.data)
  const from = command.from ?? file.first
  if (from > file.last) throw new UsageError('--from is after the last departure of the data')
  const auth = command.auth
    ? apiKey(command.apiKey === undefined ? {} : { key: command.apiKey })
    : undefined
  const server = webServer({
    ...(command.port === undefined ? {} : { port: command.port }),
    ...(command.host === undefined ? {} : { host: command.host }),
    ...(command.unix === undefined ? {} : { unix: command.unix }),
    ...(auth === undefined ? {} : { auth }),
    title: process.env.GW_TITLE ?? 'Flight operations',
  })
  const finished = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => resolve(signal))
    }
    watchParents(() => resolve('the process that started it has gone'))
    onEnd = () => resolve('all departures have been replayed')
  })
  const gateway = demoGateway(file, {
    from,
    atEnd: command.atEnd,
    onEnd: () => onEnd(),
    clock: wallClock({ start: from, speed: command.speed }),
    modules: [...kafkaModules(), server],
  })
  // Asked for before the server does, which would print it to stderr.
  const keyLines = auth?.announce?.() ?? []
  const source = command.apiKey === undefined ? 'API_KEY' : '--api-key'
  const keyLine = keyLines[0] ?? (auth === undefined ? 'none is asked for' : `that of ${source}`)
  await gateway.start()
  print(server.url ?? '', command, keyLine)
  const reason = await finished
  process.stdout.write(`stopping: ${reason}\n`)
  setTimeout(() => process.exit(0), STOP_MS).unref()
  await gateway.stop().catch((error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`)
  })
  process.exit(0)
}

let onEnd: () => void = () => undefined

/** With brokers given, flights and alerts go out, and thresholds may come in. */
function kafkaModules(): Module<DemoChannels>[] {
  const brokers = process.env.KAFKA_BROKERS
  if (brokers === undefined || brokers === '') return []
  return [
    kafka<DemoChannels>({
      brokers: brokers.split(','),
      publish: {
        flights: { 'gw.flights': { attribute: 'origin' } },
        alerts: { 'gw.alerts': { attribute: 'airport' } },
      },
      subscribe: { thresholds: { 'gw.thresholds': '' } },
    }),
  ]
}

function print(url: string, command: DemoCommand, keyLine: string): void {
  const lines = [
    `Flight operations, at ${command.speed} times real time`,
    `  REST       ${url}/api/v1/last/network`,
    `  WebSocket  ${url.replace('http', 'ws')}/api/v1/stream`,
    ...(command.unix === undefined ? [] : [`  UNIX       ${command.unix}`]),
    `  key        ${keyLine}`,
    `  pid        ${process.pid}`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
