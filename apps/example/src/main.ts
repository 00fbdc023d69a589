import { parseArgs } from 'node:util'
import { apiKey } from '@gw/auth-apikey'
import { Gateway } from '@gw/channels'
import { ms } from '@gw/core'
import { webServer } from '@gw/server-hono'
import { channels } from './contract.js'
import { exampleModule } from './example-module.js'

const HELP = `The example gateway of the reference, for checking compatibility.

  --port P        TCP port (8000; 0 takes a free one)
  --host H        address to listen on (127.0.0.1)
  --unix PATH     serve on a UNIX socket too
  --api-key K     ask for this key
  --interval MS   milliseconds between two ticks of the timer (1000)
  --burst N       ticks of the channel example at each tick of the timer (1)
  --help          this text`

interface Options {
  readonly port: number | undefined
  readonly host: string | undefined
  readonly unix: string | undefined
  readonly apiKey: string | undefined
  readonly intervalMs: number
  readonly burst: number
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2))
  if (options === 'help') {
    console.log(HELP)
    return
  }
  const { port, host, unix, intervalMs, burst } = options
  const server = webServer({
    title: process.env.GW_TITLE ?? 'Gateway',
    controls: true,
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(unix === undefined ? {} : { unix }),
    ...(options.apiKey === undefined ? {} : { auth: apiKey({ key: options.apiKey }) }),
  })
  const announcement = {
    name: 'announcement',
    requires: [],
    start: () => console.log(`${server.url}  (pid ${process.pid})`),
  }
  const example = exampleModule(ms(intervalMs), burst)
  const gateway = new Gateway({ channels, modules: [example, server, announcement] })
  await gateway.run()
}

function optionsOf(args: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      unix: { type: 'string' },
      'api-key': { type: 'string' },
      interval: { type: 'string' },
      burst: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) return 'help'
  return {
    port: wholeNumber('port', values.port, 0, 65_535),
    host: values.host,
    unix: values.unix,
    apiKey: values['api-key'],
    intervalMs: wholeNumber('interval', values.interval, 1, 86_400_000) ?? 1_000,
    burst: wholeNumber('burst', values.burst, 1, 10_000) ?? 1,
  }
}

function wholeNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined
  const value = /^\d{1,8}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new Error(`--${name} is a whole number from ${min} to ${max}, not ${text}`)
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
