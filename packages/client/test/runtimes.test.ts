import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commandOf, RUNTIMES } from './support/runtimes.js'
import { expected } from './support/scenario.js'
import { serve } from './support/served.js'

const run = promisify(execFile)
const socketPath = join(tmpdir(), `gw-runtimes-${process.pid}.sock`)
let folder: string
let program: string
let served: Awaited<ReturnType<typeof serve>>

beforeAll(async () => {
  // Here, so that `ws` is found where it is needed.
  folder = await mkdtemp(join(import.meta.dirname, '../node_modules/.runtimes-'))
  program = join(folder, 'program.mjs')
  await build({
    entryPoints: [join(import.meta.dirname, 'support/scenario-program.ts')],
    outfile: program,
    bundle: true,
    platform: 'neutral',
    external: ['node:*', 'ws'],
    format: 'esm',
    target: 'es2022',
    conditions: ['@gw/source'],
  })
  served = await serve({ unix: socketPath })
})

afterAll(async () => {
  await served[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const here = `Node ${process.versions.node.split('.')[0]}`
const commands = new Map<string, readonly string[] | undefined>([[here, [process.execPath]]])
for (const name of Object.keys(RUNTIMES) as (keyof typeof RUNTIMES)[]) {
  if (name !== here) commands.set(name, commandOf(name))
}

describe.each([...commands.keys()])('in %s', (name) => {
  const [binary, ...args] = commands.get(name) ?? []

  const ways = name.startsWith('Node') ? ['websocket', 'sse', 'unix'] : ['websocket', 'sse']

  test.skipIf(binary === undefined).each(ways)(
    'a program calls, sends and subscribes over %s',
    async (way) => {
      const symbol = `${name} ${way}`
      const place = way === 'unix' ? socketPath : served.url
      const its = [...args, program, place, way, symbol]
      const { stdout } = await run(binary as string, its, { timeout: 30_000 })
      expect(JSON.parse(stdout)).toEqual(expected(symbol))
    },
  )
})
