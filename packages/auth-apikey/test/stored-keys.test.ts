import { execFile, execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Credentials } from '@gw/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { runCommand } from '../src/cli.js'
import { readStoredKeys } from '../src/file-store.js'
import { type ApiKeyError, apiKey, fileStore, generateKey, hashKey } from '../src/index.js'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-keys-'))
  file = join(folder, 'keys.json')
})

afterEach(() => {
  rmSync(folder, { recursive: true })
  vi.useRealTimers()
})

/** Runs the command as a shell does. */
function command(...args: string[]): { code: number; stdout: string; stderr: string } {
  return commandWith('', ...args)
}

function commandWith(
  stdin: string,
  ...args: string[]
): { code: number; stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' }
  const code = runCommand(args, {
    env: { GW_KEYS_FILE: file },
    stdin: () => stdin,
    stdout: (text) => {
      output.stdout += text
    },
    stderr: (text) => {
      output.stderr += text
    },
  })
  return { code, ...output }
}

const created = (...args: string[]): string => command('create', ...args).stdout.trim()

function withKey(key: string): Credentials {
  return {
    header: (name) => (name === 'x-api-key' ? key : undefined),
    query: () => undefined,
    cookie: () => undefined,
    address: '127.0.0.1',
    method: 'GET',
    path: '/api/v1/last/orders',
  }
}

describe('the command', () => {
  test('makes a key that is shown once and kept as a hash, in a file for its owner alone', () => {
    const { code, stdout, stderr } = command('create', '--name', 'billing')
    const key = stdout.trim()
    expect(code).toBe(0)
    expect(key).toMatch(/^gw_\w{8}_\w{36}$/)
    expect(stderr).not.toContain(key)
    const content = readFileSync(file, 'utf8')
    expect(content).not.toContain(key)
    expect(content).toContain(hashKey(key))
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('lists keys with what they may do and how long', () => {
    const first = created('--name', 'billing', '--scope', 'read', '--scope', 'send:orders*')
    created('--name', 'ops', '--expires', '2027-01-31')
    command('revoke', first.slice(3, 11))
    const { stdout } = command('list')
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(1))).toEqual([
      ['NAME', 'STATE', 'EXPIRES', 'SCOPES'],
      ['billing', 'revoked', 'never', 'read send:orders*'],
      ['ops', 'valid', '2027-01-31T00:00:00.000Z', 'everything'],
      [],
    ])
    const lines = command('list', '--json').stdout.trim().split('\n')
    expect(lines.map((line) => JSON.parse(line).name)).toEqual(['billing', 'ops'])
  })

  test('verifies keys, from standard input too', () => {
    const key = created('--name', 'billing', '--scope', 'read:prices:AAPL,MS*')
    const expected = 'is valid and may do read:prices:AAPL,MS*'
    expect(command('verify', key)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(expected),
    })
    expect(commandWith(`${key}\n`, 'verify')).toMatchObject({ code: 0 })
    const typo = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`
    expect(command('verify', typo)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('mistyped'),
    })
    expect(command('verify', 'something')).toMatchObject({ code: 1 })
    command('revoke', key.slice(3, 11))
    expect(command('verify', key).stdout).toContain('revoked')
    created('--name', 'late', '--not-before', '1h')
    const early = created(
      '--name',
      'early',
      '--not-before',
      '2000-01-01',
      '--expires',
      '2001-01-01',
    )
    expect(command('verify', early).stdout).toContain('expired')
  })

  test.each([
    [['create'], 2, '--name'],
    [['create', '--name', 'x', '--expires', 'soon'], 2, 'soon'],
    [['create', '--name', 'x', '--scope', 'fly'], 2, 'fly'],
    [['create', '--name', 'x', 'y'], 2, 'what is y?'],
    [['list'], 1, 'cannot be read (ENOENT)'],
    [['revoke'], 2, 'which key?'],
    [['destroy'], 2, 'no command destroy'],
    [['--frobnicate'], 2, 'frobnicate'],
    [[], 2, 'name a command'],
  ])('refuses %j with one sentence', (args, code, text) => {
    const result = command(...args)
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) })
    expect(result.stderr.trim().split('\n')).toHaveLength(1)
  })

  test('refuses to revoke what is not there, and to write while another does', () => {
    created('--name', 'x')
    expect(command('revoke', 'AAAAAAAA')).toMatchObject({ code: 1 })
    writeFileSync(`${file}.new`, '')
    expect(command('create', '--name', 'second')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('another command is writing'),
    })
    expect(command('list').stdout).not.toContain('second')
  })

  test('keeps the mode of the file, and the link that leads to it', () => {
    created('--name', 'x')
    chmodSync(file, 0o640)
    const link = join(folder, 'link.json')
    symlinkSync(file, link)
    command('create', '--name', 'y', '--file', link)
    expect(statSync(file).mode & 0o777).toBe(0o640)
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(readStoredKeys(file)).toHaveLength(2)
  })

  test('explains itself', () => {
    expect(command('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('revoke') })
  })
})

describe('a store in a file', () => {
  const onFailure = (): void => undefined
  /** Waits until the file was looked at after a change. */
  const looked = (store: ReturnType<typeof fileStore>): Promise<void> =>
    new Promise((resolve) => store.onChange?.(resolve))

  test('lets in whom it names, with what they may do', () => {
    const key = created('--name', 'billing', '--scope', 'read:orders', '--expires', '2999-01-01')
    const auth = apiKey({ store: fileStore(file, { onProblem: () => undefined }), onFailure })
    expect(auth.authenticate(withKey(key))).toEqual({
      ok: true,
      identity: {
        name: 'billing',
        credential: key.slice(3, 11),
        scopes: [{ operations: ['read'], channels: ['orders'] }],
        expiresAtMs: Date.parse('2999-01-01'),
      },
    })
    expect(auth.announce?.()).toEqual([])
  })

  test('without a key lets nobody in', () => {
    writeFileSync(file, '{"version":1,"keys":[]}')
    const auth = apiKey({ store: fileStore(file, { onProblem: () => undefined }), onFailure })
    expect(auth.authenticate(withKey(''))).toMatchObject({ ok: false })
  })

  test('is read again when it changes: keys come, go, and tell that they have gone', async () => {
    const old = created('--name', 'billing')
    const store = fileStore(file, { pollMs: 5, onProblem: () => undefined })
    const auth = apiKey({ store, onFailure })
    const revoked: string[] = []
    auth.onRevoked?.((name, credential) => revoked.push(`${name} ${credential}`))
    let change = looked(store)
    const next = created('--name', 'billing')
    await change
    expect(auth.authenticate(withKey(old))).toMatchObject({ ok: true })
    expect(auth.authenticate(withKey(next))).toMatchObject({ ok: true })
    expect(revoked).toEqual([])
    change = looked(store)
    command('revoke', old.slice(3, 11))
    await change
    expect(auth.authenticate(withKey(old))).toMatchObject({ ok: false })
    expect(auth.authenticate(withKey(next))).toMatchObject({ ok: true })
    expect(revoked).toEqual([`billing ${old.slice(3, 11)}`])
  })

  test('ends what came in with scopes that have changed', async () => {
    const key = created('--name', 'billing')
    const store = fileStore(file, { pollMs: 5, onProblem: () => undefined })
    const auth = apiKey({ store, onFailure })
    const revoked: string[] = []
    auth.onRevoked?.((name) => revoked.push(name))
    const change = looked(store)
    const content = JSON.parse(readFileSync(file, 'utf8'))
    content.keys[0].scopes = [{ operations: ['read'] }]
    writeFileSync(file, JSON.stringify(content))
    await change
    expect(revoked).toEqual(['billing'])
    expect(auth.authenticate(withKey(key))).toMatchObject({
      identity: { scopes: [{ operations: ['read'] }] },
    })
  })

  test('that was broken keeps the keys that it had, and says so', async () => {
    const key = created('--name', 'billing')
    let tell: (error: ApiKeyError) => void = () => undefined
    const problem = new Promise<ApiKeyError>((resolve) => {
      tell = resolve
    })
    const store = fileStore(file, { pollMs: 5, onProblem: (error) => tell(error) })
    const auth = apiKey({ store, onFailure })
    writeFileSync(file, '{')
    expect(await problem).toMatchObject({ code: 'INVALID_STORE' })
    expect(auth.authenticate(withKey(key))).toMatchObject({ ok: true })
  })

  test('that is written in pieces, is gone, or comes back counts when it is whole again', async () => {
    const key = created('--name', 'billing')
    let tell: (error: ApiKeyError) => void = () => undefined
    const problem = (): Promise<ApiKeyError> =>
      new Promise((resolve) => {
        tell = resolve
      })
    const store = fileStore(file, { pollMs: 5, onProblem: (error) => tell(error) })
    const auth = apiKey({ store, onFailure })
    const whole = readFileSync(file, 'utf8')
    const next = created('--name', 'next')
    const both = readFileSync(file, 'utf8')
    const revoked: string[] = []
    auth.onRevoked?.((name) => revoked.push(name))
    let broken = problem()
    writeFileSync(file, both.slice(0, both.length / 2))
    expect((await broken).message).toContain('is not JSON')
    broken = problem()
    rmSync(file)
    expect((await broken).message).toContain('cannot be read (ENOENT)')
    expect(auth.authenticate(withKey(key))).toMatchObject({ ok: true })
    let change = looked(store)
    writeFileSync(file, both)
    await change
    expect(auth.authenticate(withKey(next))).toMatchObject({ ok: true })
    change = looked(store)
    writeFileSync(`${file}.other`, whole)
    renameSync(`${file}.other`, file)
    await change
    expect(auth.authenticate(withKey(next))).toMatchObject({ ok: false })
    expect(auth.authenticate(withKey(key))).toMatchObject({ ok: true })
    expect(revoked).toEqual(['next'])
  })

  test('may hold ten thousand keys', () => {
    created('--name', 'first')
    const content = JSON.parse(readFileSync(file, 'utf8'))
    const [base] = content.keys
    for (let n = 0; n < 10_000; n++) {
      const { key, id } = generateKey()
      content.keys.push({ ...base, id, hash: hashKey(key), name: `name-${n}` })
    }
    writeFileSync(file, JSON.stringify(content))
    const key = created('--name', 'last', '--scope', 'read')
    const auth = apiKey({ store: fileStore(file, { onProblem: () => undefined }), onFailure })
    expect(auth.authenticate(withKey(key))).toMatchObject({ identity: { name: 'last' } })
    expect(readStoredKeys(file)).toHaveLength(10_002)
    command('revoke', key.slice(3, 11))
    expect(command('verify', key).stdout).toContain('revoked')
  })

  test.each([
    ['no JSON', '{', 'is not JSON'],
    ['no object', '[]', 'is no object'],
    ['another version', '{"version":2,"keys":[]}', 'version'],
    ['no keys', '{"version":1}', 'no list of keys'],
    ['something else', '{"version":1,"keys":[],"kees":[]}', 'unknown member kees'],
    ['an empty key', '{"version":1,"keys":[{}]}', 'keys.0: id is a text'],
    ['no hash', keyFile({ hash: 'abc' }), 'keys.0: hash is 64'],
    ['a misspelt field', keyFile({ expires: '2027-01-01' }), 'keys.0: unknown field expires'],
    ['no time', keyFile({ expiresAt: 'soon' }), 'keys.0: expiresAt is a time'],
    [
      'a misspelt scope',
      keyFile({ scopes: [{ operations: ['read'], chanels: ['orders'] }] }),
      'keys.0: a scope is',
    ],
    ['a scope of nothing', keyFile({ scopes: [{ operations: [] }] }), 'keys.0: a scope is'],
    ['an id twice', keyFile({}, {}), 'two keys of the id'],
  ])('that holds %s is refused at the start', (_, content, text) => {
    writeFileSync(file, content)
    expect(() => fileStore(file)).toThrow(
      expect.objectContaining({ code: 'INVALID_STORE', message: expect.stringContaining(text) }),
    )
  })
})

function keyFile(...keys: object[]): string {
  const base = { id: 'AAAAAAAA', name: 'x', hash: '0'.repeat(64), createdAt: '2026-01-01' }
  return JSON.stringify({ version: 1, keys: keys.map((key) => ({ ...base, ...key })) })
}

describe('the command as a program', () => {
  let bundle: string
  let other: string
  beforeAll(() => {
    other = mkdtempSync(join(tmpdir(), 'gw-keys-bin-'))
    bundle = join(other, 'bin.mjs')
    const esbuild = join(import.meta.dirname, '../../../node_modules/.bin/esbuild')
    const entry = join(import.meta.dirname, '../src/bin.ts')
    const options = ['--bundle', '--platform=node', '--format=esm', '--conditions=@gw/source']
    execFileSync(esbuild, [entry, ...options, `--outfile=${bundle}`, '--log-level=error'])
  })
  afterAll(() => rmSync(other, { recursive: true }))

  test('shows nothing but the key on standard output', () => {
    const output = execFileSync('node', [bundle, 'create', '--name', 'x', '--file', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    expect(output).toMatch(/^gw_\w{8}_\w{36}\n$/)
  })

  test('run by several at once loses no key, and no reader sees half of the file', async () => {
    const names = Array.from({ length: 6 }, (_, n) => `name-${n}`)
    let isOver = false
    const reads = (async () => {
      let count = 0
      while (!isOver) {
        if (existsSync(file)) count = Math.max(count, readStoredKeys(file).length)
        await new Promise((resolve) => setImmediate(resolve))
      }
      return count
    })()
    const run = promisify(execFile)
    await Promise.all(
      names.map((name) => run('node', [bundle, 'create', '--name', name, '--file', file])),
    )
    isOver = true
    expect(await reads).toBeGreaterThan(0)
    expect(
      readStoredKeys(file)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(names)
    expect(existsSync(`${file}.new`)).toBe(false)
  })
})
