import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRegistry } from './registry.js'
import { manifestOf, PACKAGES, ROOT, run, runAsync, temporaryFolder } from './workspace.js'

let folder: ReturnType<typeof temporaryFolder>
let copy: string
let registry: Awaited<ReturnType<typeof startRegistry>>

beforeAll(async () => {
  folder = temporaryFolder()
  copy = join(folder.path, 'repository')
  copyRepository(copy)
  run('git', ['init', '-q', '-b', 'main'], copy)
  commit(copy, 'start')
  registry = await startRegistry('https://registry.npmjs.org/')
})

afterAll(async () => {
  await registry.stop()
  folder.remove()
})

/** Versions after each release, in order. */
const releases: Record<(typeof PACKAGES)[number], string>[] = []

async function release(changeset?: string): Promise<string[]> {
  if (changeset !== undefined) writeFileSync(join(copy, '.changeset/change.md'), changeset)
  version(copy)
  const before = releases.at(-1)
  const after = versions(copy)
  releases.push(after)
  await publish(copy)
  return PACKAGES.filter((name) => after[name] !== before?.[name])
}

test('the first release publishes every package, with real versions in place of the workspace', async () => {
  expect(await release()).toEqual(PACKAGES)
  for (const name of PACKAGES) {
    const versions = registry.published.get(`@gw/${name}`)?.versions ?? {}
    expect(Object.keys(versions)).toEqual([releases[0]?.[name]])
    for (const manifest of Object.values(versions)) {
      const { dependencies, peerDependencies, devDependencies } = manifest
      const ranges = Object.values({ ...dependencies, ...peerDependencies, ...devDependencies })
      expect(ranges.filter((range) => /^(workspace|catalog):/.test(range))).toEqual([])
    }
  }
})

test('a minor of the client is a release of the client and of what contains it, nothing else', async () => {
  const grown = await release("---\n'@gw/client': minor\n---\n\nSomething new.\n")
  expect(grown).toEqual(['client', 'mcp'])
  expect(Object.keys(registry.published.get('@gw/client')?.versions ?? {})).toHaveLength(2)
  expect(Object.keys(registry.published.get('@gw/protocol')?.versions ?? {})).toHaveLength(1)
})

test('a minor of a package that no other contains is a release of that package alone', async () => {
  const grown = await release("---\n'@gw/auth-apikey': minor\n---\n\nSomething new.\n")
  expect(grown).toEqual(['auth-apikey'])
})

test('what depends on a package that grew is released with it, nothing else', async () => {
  const grown = await release(
    "---\n'@gw/server-hono': minor\n'@gw/channels': minor\n---\n\nMore.\n",
  )
  expect(grown).toEqual(['channels', 'server-hono', 'kafka'])
})

test('single packages install from the registry, and a client of one minor earlier works with the server', async () => {
  const [first, second] = releases
  const server = await project('server', ['@gw/server-hono', '@gw/channels', 'zod', 'hono'])
  writeFileSync(join(server, 'program.mjs'), SERVER)
  for (const version of [first?.client, second?.client]) {
    const client = await project(`client-${version}`, [`@gw/client@${version}`, 'ws'])
    expect(manifestOf(join(client, 'node_modules/@gw/client')).version).toBe(version)
    expect(existsSync(join(client, 'node_modules/@gw/channels'))).toBe(false)
    writeFileSync(join(client, 'program.mjs'), CLIENT)
    const output = await runAsync('node', ['program.mjs', join(client, 'program.mjs')], server)
    expect(output.trim()).toBe('sent 3, last 3, seen 4')
  }
})

const SERVER = `
import { spawn } from 'node:child_process'
import { channel, defineChannels, Gateway } from '@gw/channels'
import { webServer } from '@gw/server-hono'
import { z } from 'zod'
const channels = defineChannels({ total: channel(z.number(), { send: true }) })
const server = webServer({ port: 0 })
const gateway = new Gateway({ channels, modules: [server] })
await gateway.start()
const child = spawn(process.execPath, [process.argv[2], server.url], { stdio: 'inherit' })
child.on('exit', async (code) => { await gateway.stop(); process.exit(code) })
`

const CLIENT = `
import { createClient } from '@gw/client'
import WebSocket from 'ws'
const client = createClient({ url: process.argv[2], WebSocket })
const sent = await client.total.send(3)
const last = await client.total.last()
const values = client.total.subscribe()[Symbol.asyncIterator]()
const next = values.next()
const resend = setInterval(() => client.total.send(4), 50)
const { value: seen } = await next
clearInterval(resend)
console.log('sent ' + sent + ', last ' + last + ', seen ' + seen)
client.$close()
`

/** The files under version control and the builds, with dependencies of its own. */
function copyRepository(to: string): void {
  mkdirSync(to)
  const files = run('git', ['ls-files', '-co', '--exclude-standard'], ROOT).trim().split('\n')
  for (const file of files) {
    if (existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(to, file))
  }
  for (const name of PACKAGES) {
    const dist = join('packages', name, 'dist')
    cpSync(join(ROOT, dist), join(to, dist), { recursive: true })
  }
  run('npx', ['-y', 'pnpm@12', 'install', '--prefer-offline', '--ignore-scripts'], to)
}

function commit(repository: string, message: string): void {
  const identity = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
  run('git', [...identity, 'add', '-A'], repository)
  run('git', [...identity, 'commit', '-q', '-m', message], repository)
}

function version(repository: string): void {
  run(join(repository, 'node_modules/.bin/changeset'), ['version'], repository)
  commit(repository, 'version')
}

function versions(repository: string): Record<(typeof PACKAGES)[number], string> {
  return Object.fromEntries(
    PACKAGES.map((name) => [name, manifestOf(join(repository, 'packages', name)).version]),
  ) as Record<(typeof PACKAGES)[number], string>
}

/** Publishes what is new, as the root's `release` does. */
async function publish(repository: string): Promise<void> {
  const { host } = new URL(registry.url)
  writeFileSync(
    join(repository, '.npmrc'),
    `registry=${registry.url}\n@gw:registry=${registry.url}\n//${host}/:_authToken=test\n`,
  )
  await runAsync(
    'npx',
    ['-y', '-p', 'pnpm@12', '-c', 'node_modules/.bin/changeset publish --no-git-tag'],
    repository,
  )
}

async function project(name: string, packages: readonly string[]): Promise<string> {
  const path = join(folder.path, name)
  mkdirSync(path)
  writeFileSync(join(path, 'package.json'), '{"private":true,"type":"module"}')
  // Ours come from the registry on loopback, everything else from where this machine gets it.
  writeFileSync(join(path, '.npmrc'), `@gw:registry=${registry.url}\n`)
  await runAsync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', ...packages],
    path,
  )
  return path
}

test('there is a changeset, or a changelog, for each package', () => {
  const changesets = readdirSync(join(ROOT, '.changeset'))
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => readFileSync(join(ROOT, '.changeset', file), 'utf8'))
  for (const name of PACKAGES) {
    const hasChangelog = existsSync(join(ROOT, 'packages', name, 'CHANGELOG.md'))
    const isNamed = changesets.some(
      (text) => text.includes(`'@gw/${name}'`) || text.includes(`"@gw/${name}"`),
    )
    expect({ name, known: hasChangelog || isNamed }).toEqual({ name, known: true })
  }
})
