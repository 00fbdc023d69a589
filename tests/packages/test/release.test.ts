import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRegistry } from './registry.js'
import { manifestOf, PACKAGES, pack, ROOT, run, runAsync, temporaryFolder } from './workspace.js'

let folder: ReturnType<typeof temporaryFolder>
let copy: string
let registry: Awaited<ReturnType<typeof startRegistry>>

beforeAll(async () => {
  folder = temporaryFolder()
  copy = join(folder.path, 'repository')
  copyRepository(copy)
  registry = await startRegistry('https://registry.npmjs.org/')
})

afterAll(async () => {
  await registry.stop()
  folder.remove()
})

test('a minor of one package is published alone, and an older client works against a newer server', async () => {
  // The first release: whatever changesets are there.
  run('git', ['init', '-q', '-b', 'main'], copy)
  commit(copy, 'start')
  version(copy)
  const first = versions(copy)
  await publish(copy)

  // Then the server gets something new, and nobody else does.
  writeFileSync(
    join(copy, '.changeset/server-grows.md'),
    "---\n'@gw/server-hono': minor\n'@gw/channels': minor\n---\n\nSomething new.\n",
  )
  version(copy)
  const second = versions(copy)
  expect(second.client).toBe(first.client)
  expect(second.core).toBe(first.core)
  expect(second['server-hono']).not.toBe(first['server-hono'])
  await publish(copy)
  expect(Object.keys(registry.published.get('@gw/server-hono')?.versions ?? {})).toEqual([
    first['server-hono'],
    second['server-hono'],
  ])

  // Single packages are installed from the registry, the client by itself.
  const server = await project('server', ['@gw/server-hono', '@gw/channels', 'zod', 'hono'])
  const client = await project('client', [`@gw/client@${first.client}`, 'ws'])
  expect(existsSync(join(client, 'node_modules/@gw/channels'))).toBe(false)
  writeFileSync(join(server, 'program.mjs'), SERVER)
  writeFileSync(join(client, 'program.mjs'), CLIENT)
  const output = await runAsync('node', ['program.mjs', join(client, 'program.mjs')], server)
  expect(output.trim()).toBe('sent 3, last 3, seen 4')
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
await client.close()
`

/** The files under version control and the builds; dependencies are linked. */
function copyRepository(to: string): void {
  mkdirSync(to)
  const files = run('git', ['ls-files', '-co', '--exclude-standard'], ROOT).trim().split('\n')
  for (const file of files) {
    if (existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(to, file))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'))
  for (const name of PACKAGES) {
    cpSync(join(ROOT, 'packages', name, 'dist'), join(to, 'packages', name, 'dist'), {
      recursive: true,
    })
    symlinkSync(
      join(ROOT, 'packages', name, 'node_modules'),
      join(to, 'packages', name, 'node_modules'),
    )
  }
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

/** Packs with pnpm, which writes real versions in place of the workspace's, and publishes what is new. */
async function publish(repository: string): Promise<void> {
  const npmrc = join(folder.path, '.npmrc')
  writeFileSync(
    npmrc,
    `registry=${registry.url}\n//${new URL(registry.url).host}/:_authToken=test\n`,
  )
  for (const name of PACKAGES) {
    const { name: fullName, version } = manifestOf(join(repository, 'packages', name))
    if (registry.published.get(fullName)?.versions[version] !== undefined) continue
    const tarball = pack(name, folder.path, repository)
    await runAsync(
      'npm',
      ['publish', tarball, '--userconfig', npmrc, '--provenance=false'],
      folder.path,
    )
  }
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
