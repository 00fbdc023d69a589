import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { typeProblems } from './types.js'
import { manifestOf, PACKAGES, packAll, ROOT, run, temporaryFolder } from './workspace.js'

/** For each package, what else it is installed with, a program to run, and everything that is installed with it. */
const CASES: Readonly<
  Record<
    (typeof PACKAGES)[number],
    {
      readonly peers?: readonly string[]
      readonly program: string
      readonly closure: readonly string[]
      /** A dependency brings packages of others, too many to be named: only ours are looked at. */
      readonly bringsMore?: boolean
    }
  >
> = {
  core: {
    program: `import { count, Graph, graphOutput, ms, simulate, timer } from '@gw/core'
      const graph = new Graph()
      graphOutput('n', count(timer(graph, ms(1))))
      console.log(simulate(graph, { duration: ms(3) }).outputs.get('n').length === 3 ? 'works' : 'broken')`,
    closure: [],
  },
  protocol: {
    program: `import { filterOf } from '@gw/protocol'
      console.log(filterOf({ x: 1 }).op === 'eq' ? 'works' : 'broken')`,
    closure: [],
  },
  channels: {
    peers: ['zod'],
    // Without the optional DuckDB: the modules load, and the one that needs it says so.
    program: `import { channel, defineChannels, defineModule, Gateway } from '@gw/channels'
      import { initialize, sqlSink } from '@gw/channels/modules'
      import { expectChannel, startHarness } from '@gw/channels/testing'
      import { z } from 'zod'
      const channels = defineChannels({ total: channel(z.number(), { send: true }) })
      const gateway = new Gateway({ channels, modules: [defineModule(channels, 'reader', (c) => { c.getChannel('total') })] })
      await gateway.start()
      gateway.channels.send('total', 3)
      const last = gateway.channels.last('total')
      await gateway.stop()
      const harness = await startHarness({ channels, modules: [initialize(channels, 'total', 4)] })
      expectChannel(harness, 'total').toHaveTickedValues([4])
      await harness.stop()
      const sink = sqlSink({ database: 'x.duckdb', tables: [{ channel: 'total' }] })
      const quiet = { info() {}, warn() {}, error() {} }
      const error = await new Gateway({ channels, modules: [sink], logger: quiet }).start().catch((error) => error)
      console.log(last === 3 && error.module === 'sql-sink' && error.cause.code === 'MISSING_PACKAGE' ? 'works' : 'broken')`,
    closure: ['@gw/core', '@gw/protocol', 'zod'],
  },
  'server-hono': {
    peers: ['zod', 'hono', '@gw/channels'],
    program: `import { channel, defineChannels, Gateway } from '@gw/channels'
      import { webServer } from '@gw/server-hono'
      import { z } from 'zod'
      const channels = defineChannels({ total: channel(z.number(), { send: true }) })
      const server = webServer({ port: 0 })
      const gateway = new Gateway({ channels, modules: [server] })
      await gateway.start()
      const answer = await fetch(server.url + '/api/v1/send/total', { method: 'POST', body: '3', headers: { 'content-type': 'application/json' } })
      console.log(JSON.stringify(await answer.json()) === '[3]' ? 'works' : 'broken')
      await gateway.stop()`,
    closure: [
      '@gw/channels',
      '@gw/core',
      '@gw/protocol',
      '@hono/node-server',
      '@opentelemetry/api',
      'bintrees',
      'hono',
      'prom-client',
      'tdigest',
      'ws',
      'zod',
    ],
  },
  'auth-apikey': {
    program: `import { apiKey } from '@gw/auth-apikey'
      const none = () => undefined
      const header = (name) => (name.toLowerCase() === 'x-api-key' ? 'a-key' : undefined)
      const request = { address: '127.0.0.1', method: 'GET', path: '/', header: none, query: none, cookie: none }
      const auth = apiKey({ key: 'a-key' })
      const right = await auth.authenticate({ ...request, header })
      const wrong = await auth.authenticate(request)
      console.log(right.ok && !wrong.ok ? 'works' : 'broken')`,
    closure: ['@gw/protocol'],
  },
  'auth-oidc': {
    program: `import { oidc } from '@gw/auth-oidc'
      const none = () => undefined
      const header = () => 'Bearer eyJ.eyJ.x'
      const request = { address: '127.0.0.1', method: 'GET', path: '/', header: none, query: none, cookie: none }
      const auth = oidc({ issuer: 'http://127.0.0.1:1', audience: 'gateway', onFailure: none })
      const nobody = await auth.authenticate(request)
      const unknown = await auth.authenticate({ ...request, header })
      console.log(!nobody.ok && unknown.code === 'AUTH_UNAVAILABLE' ? 'works' : 'broken')`,
    closure: ['@gw/protocol', 'jose', 'oauth4webapi', 'openid-client'],
  },
  kafka: {
    peers: ['zod', '@gw/channels'],
    program: `import { kafka } from '@gw/kafka'
      console.log(kafka({ brokers: ['127.0.0.1:1'], publish: {} }).name.startsWith('kafka') ? 'works' : 'broken')`,
    closure: ['@gw/channels', '@gw/core', '@gw/protocol', 'kafkajs', 'zod'],
  },
  client: {
    program: `import { createClient } from '@gw/client'
      const client = createClient({ url: 'http://127.0.0.1:1' })
      const error = await client.total.last().catch((error) => error)
      console.log(error.name === 'GatewayClientError' ? 'works' : 'broken')
      client.$close()`,
    closure: ['@gw/protocol'],
  },
  mcp: {
    program: `import { createClient } from '@gw/client'
      import { createMcpServer } from '@gw/mcp'
      import { Client } from '@modelcontextprotocol/sdk/client/index.js'
      import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
      const [near, far] = InMemoryTransport.createLinkedPair()
      await createMcpServer({ client: createClient({ url: 'http://127.0.0.1:1' }) }).connect(near)
      const assistant = new Client({ name: 'test', version: '1' })
      await assistant.connect(far)
      const { message } = await assistant.listTools().catch((error) => error)
      console.log(message.includes('could not be reached') ? 'works' : 'broken')
      await assistant.close()`,
    closure: ['@gw/client', '@gw/protocol'],
    bringsMore: true,
  },
}

const BROWSER = ['core', 'protocol', 'client'] as const

/** Versions of Node beside the one that runs the tests: the oldest that is supported, and the newest lines. */
const NODE_VERSIONS = ['20.19', '24', '26'] as const

let folder: ReturnType<typeof temporaryFolder>
let tarballs: ReadonlyMap<string, string>

beforeAll(() => {
  folder = temporaryFolder()
  tarballs = packAll(folder.path)
})

afterAll(() => folder.remove())

/** Projects made so far, by package. */
const projects = new Map<string, string>()

describe.each(PACKAGES)('@gw/%s, packed and installed in an empty project', (name) => {
  const { peers = [], program, closure, bringsMore = false } = CASES[name]

  test('works in Node, and brings along only what it needs', () => {
    const { peerDependencies } = manifestOf(join(ROOT, 'packages', name))
    const project = newProject(name, [`@gw/${name}`, ...peers], peerDependencies)
    const installed = installedIn(project)
      .filter((it) => it !== `@gw/${name}`)
      .filter((it) => !bringsMore || it.startsWith('@gw/'))
    expect(installed).toEqual(closure)
    projects.set(name, project)
    writeFileSync(join(project, 'program.mjs'), program)
    expect(run('node', ['program.mjs'], project).trim()).toBe('works')
  })
})

test('modules without the packages that they need say in a line which to install', () => {
  const project = projects.get('channels') ?? ''
  expect(installedIn(project)).not.toContain('pino')
  writeFileSync(
    join(project, 'missing.mjs'),
    `import { channel, defineChannels, Gateway } from '@gw/channels'
      import { fileDrop, log, sqlSink } from '@gw/channels/modules'
      import { mkdirSync, writeFileSync } from 'node:fs'
      import { z } from 'zod'
      const channels = defineChannels({ orders: channel(z.object({ symbol: z.string() })) })
      const line = ({ name, code, message }) => console.log(name + ' ' + code + ': ' + message)
      try { log({}) } catch (error) { line(error) }

      const shown = []
      const logger = { info() {}, warn() {}, error: (details) => shown.push(details.err) }
      const sink = sqlSink({ database: 'x.duckdb', tables: [{ channel: 'orders' }], logger })
      await new Gateway({ channels, modules: [sink], logger }).start().catch(line)
      console.log(shown.length)

      mkdirSync('inbox', { recursive: true })
      writeFileSync('inbox/orders.csv', 'symbol\\nAAPL\\n')
      const told = new Promise((resolve) => { logger.error = ({ err }) => resolve(err) })
      const drop = fileDrop({ channel: 'orders', folder: 'inbox', pollMs: 10, logger })
      const gateway = new Gateway({ channels, modules: [drop], logger })
      await gateway.start()
      line(await told)
      await gateway.stop()
      throw await new Gateway({ channels, modules: [sink], logger }).start().catch(({ cause }) => cause)`,
  )
  const install = 'install it with "npm install @duckdb/node-api"'
  const { stdout, stderr } = spawnSync('node', ['missing.mjs'], { cwd: project, encoding: 'utf8' })
  expect(stdout.trim().split('\n')).toEqual([
    'ChannelsError INVALID_OPTION: log: logger is pino, which "npm install pino" brings, or anything with its method info, not undefined',
    `ChannelsError MODULE_FAILED: module "sql-sink" could not be started: the SQL sink needs the package @duckdb/node-api: ${install}`,
    '0',
    `ChannelsError MISSING_PACKAGE: reading CSV and Parquet needs the package @duckdb/node-api: ${install}`,
  ])
  // What nobody catches is shown by its own name.
  expect(stderr).toMatch(/^ChannelsError: the SQL sink needs the package @duckdb/m)
})

test('their types compile with nothing else installed, but those of Node for a server', () => {
  const files = new Map(
    PACKAGES.map((name) => {
      const file = join(projects.get(name) ?? '', 'types.ts')
      writeFileSync(file, `export * from '@gw/${name}'\n`)
      return [name, file] as const
    }),
  )
  const options = { skipLibCheck: false, customConditions: [], types: [] }
  const problems = [...typeProblems([...files.values()], options).values()].flat()
  expect(problems.filter((problem) => !problem.includes("'node:http'"))).toEqual([])
})

describe.each(BROWSER)('@gw/%s, packed and bundled for a browser', (name) => {
  test('needs nothing of Node', async () => {
    const project = newProject(`${name}-browser`, [`@gw/${name}`])
    const { outputFiles } = await build({
      stdin: { contents: CASES[name].program, resolveDir: project },
      bundle: true,
      format: 'esm',
      platform: 'browser',
      // Where a browser's WebSocket is missing only.
      external: ['ws'],
      write: false,
    })
    const code = outputFiles[0]?.text ?? ''
    expect(code).not.toMatch(/from ["']node:|require\(["']node:/)
    writeFileSync(join(project, 'bundle.mjs'), code)
    expect(run('node', ['bundle.mjs'], project).trim()).toBe('works')
  })
})

test('the same programs work in every version of Node that is supported', () => {
  const node = join(folder.path, 'node')
  mkdirSync(node)
  writeFileSync(join(node, 'package.json'), '{"private":true}')
  // npm carries the builds of Node as the package "node".
  const aliases = NODE_VERSIONS.map((version) => `node-${version}@npm:node@${version}`)
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...aliases], node)
  const outcomes = NODE_VERSIONS.flatMap((version) => {
    const binary = join(node, `node_modules/node-${version}/bin/node`)
    expect(run(binary, ['--version'], node)).toContain(`v${version}.`)
    return [...projects].map(
      ([name, project]) => `${name} in ${version} ${run(binary, ['program.mjs'], project).trim()}`,
    )
  })
  expect(outcomes.filter((outcome) => !outcome.endsWith(' works'))).toEqual([])
  expect(outcomes).toHaveLength(NODE_VERSIONS.length * PACKAGES.length)
})

/** A project that has the given packages, ours from their tarballs and nothing of ours from a registry. */
function newProject(
  name: string,
  packages: readonly string[],
  peers: Readonly<Record<string, string>> = {},
): string {
  const project = join(folder.path, name)
  mkdirSync(project)
  const ours = Object.fromEntries([...tarballs].map(([it, tarball]) => [it, `file:${tarball}`]))
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({
      name: 'empty',
      private: true,
      type: 'module',
      dependencies: Object.fromEntries(
        packages.map((it) => [it, ours[it] ?? peers[it] ?? 'latest']),
      ),
      overrides: Object.fromEntries(Object.entries(ours).filter(([it]) => !packages.includes(it))),
    }),
  )
  run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', '--legacy-peer-deps=false'],
    project,
  )
  return project
}

/** Names of everything in a project's `node_modules`. */
function installedIn(project: string): string[] {
  const { packages } = JSON.parse(run('cat', ['package-lock.json'], project)) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly link?: boolean }>>
  }
  return Object.keys(packages)
    .filter((path) => path !== '')
    .map((path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
    .toSorted()
}
