import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Checkpoints } from '../src/checkpoint.js'

const HOUR_MS = 3_600_000

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-checkpoints-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const entries = [
  ['sums', 'a', 12],
  ['sums', 'ü\n', { sum: 34, note: 'line\nline' }],
  ['other', 'a', null],
  ['sums', 'b', [1, 2]],
] as const

async function written(): Promise<{ readonly path: string; readonly bytes: Buffer }> {
  await new Checkpoints(folder, 'changelog', 'rules').write(3, 17n, entries)
  const path = join(folder, readdirSync(folder)[0] as string)
  return { path, bytes: readFileSync(path) }
}

test('what was written is read again, with the offset from which to go on', async () => {
  await written()
  const read: unknown[] = []
  const next = await new Checkpoints(folder, 'changelog', 'rules').read(3, HOUR_MS, (...entry) =>
    read.push(entry),
  )
  expect(next).toBe(17n)
  expect(read).toEqual(entries)
})

test('what killed processes left half-written is removed; what somebody may write is not', async () => {
  const { path } = await written()
  const old = (Date.now() - 2 * HOUR_MS) / 1_000
  const left = (of: string, time?: number): string => {
    const file = `${of}.${randomUUID()}`
    writeFileSync(file, 'half')
    if (time !== undefined) utimesSync(file, time, time)
    return file
  }
  left(path, old)
  const kept = [
    path,
    left(path),
    left(join(folder, 'other-3.checkpoint'), old),
    left(`${path}.note`, old),
  ]
  await written()
  expect(readdirSync(folder).sort()).toEqual(kept.map((file) => basename(file)).sort())
})

test('many entries, longer than what is read at once, are all read in their order', async () => {
  const long = 'ü'.repeat(3 * 2 ** 20)
  const many = Array.from({ length: 30_000 }, (_, i) =>
    i === 20_000 ? (['sums', 'long', long] as const) : (['sums', `key ${i}`, { i }] as const),
  )
  const checkpoints = new Checkpoints(folder, 'changelog', 'rules')
  await checkpoints.write(0, 1n, many)
  let at = 0
  const next = await checkpoints.read(0, HOUR_MS, (...entry) => expect(entry).toEqual(many[at++]))
  expect(next).toBe(1n)
  expect(at).toBe(many.length)
})

test('a checkpoint that was cut off anywhere, or has any bit changed, counts for nothing', async () => {
  const { path, bytes } = await written()
  const readable: string[] = []
  const tryWith = async (damaged: Buffer, what: string): Promise<void> => {
    writeFileSync(path, damaged)
    const next = await new Checkpoints(folder, 'changelog', 'rules').read(
      3,
      HOUR_MS,
      () => undefined,
    )
    if (next !== undefined) readable.push(what)
  }
  for (let at = 0; at < bytes.length; at++) {
    await tryWith(bytes.subarray(0, at), `cut at ${at}`)
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] as number) ^ 1
    await tryWith(flipped, `bit of ${at}`)
  }
  expect(readable).toEqual([])
})

test('a checkpoint of another changelog, or under other rules, counts for nothing', async () => {
  await written()
  for (const [changelog, rules] of [
    ['other', 'rules'],
    ['changelog', 'others'],
  ] as const) {
    const checkpoints = new Checkpoints(folder, changelog, rules)
    expect(await checkpoints.read(3, HOUR_MS, () => undefined)).toBeUndefined()
  }
})

test('a checkpoint that is older than it may be counts for nothing', async () => {
  await written()
  const checkpoints = new Checkpoints(folder, 'changelog', 'rules')
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + HOUR_MS / 2 })
  try {
    expect(await checkpoints.read(3, HOUR_MS, () => undefined)).toBe(17n)
    vi.setSystemTime(Date.now() + HOUR_MS)
    expect(await checkpoints.read(3, HOUR_MS, () => undefined)).toBeUndefined()
  } finally {
    vi.useRealTimers()
  }
})
