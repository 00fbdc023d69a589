import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dataFile } from '../src/data/vega-datasets.js'

const PROGRAM = join(import.meta.dirname, '../dist/backtest.js')
const ORACLE = join(import.meta.dirname, 'fixtures/flights-3m.json')

function backtest(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' })
}

function lastLine(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>
}

test('all three million departures give the counts of SQL and the alerts of a plain loop', () => {
  const { status, stdout, stderr } = backtest('--json')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const { seconds, ...counts } = lastLine(stdout)
  expect(counts).toEqual(JSON.parse(readFileSync(ORACLE, 'utf8')))
  expect(seconds).toBeTypeOf('number')
})

test('counts as many rows as asked for', () => {
  const { stdout } = backtest('--rows', '1000', '--json')
  const { flights, airports } = lastLine(stdout) as {
    flights: number
    airports: Record<string, { departures: number }>
  }
  expect(flights).toBe(1_000)
  expect(Object.values(airports).reduce((sum, { departures }) => sum + departures, 0)).toBe(1_000)
})

test('prints the ten busiest airports and no progress bar in a pipe', () => {
  const { stdout, stderr } = backtest('--rows', '20000')
  expect(stdout.split('\n').filter((line) => /^[A-Z0-9]{3} +\d+ +\d+/.test(line))).toHaveLength(10)
  expect(stdout).toMatch(/20000 flights in [\d.]+ s/)
  expect(stdout + stderr).not.toContain('\r')
})

test.each([
  [['--nonsense'], '--nonsense'],
  [['--rows', 'many'], '--rows'],
  [['--rows', '0'], '--rows'],
  [['--data', '/nowhere/flights.parquet'], '/nowhere/flights.parquet'],
])('%j ends with code 1 and one sentence', (args, named) => {
  const { status, stdout, stderr } = backtest(...args)
  expect(status).toBe(1)
  expect(stdout).toBe('')
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).toContain(named)
})

test('a data file that is no parquet file ends with code 1 and one sentence', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'gw-demo-')), 'flights.parquet')
  writeFileSync(path, 'not parquet at all')
  const { status, stderr } = backtest('--data', path)
  expect(status).toBe(1)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).toContain(path)
})

test('data that is damaged half-way ends with code 1 and one sentence', () => {
  const data = readFileSync(dataFile('flights-3m.parquet'))
  data.fill(0xaa, 2_000_000, 2_000_400)
  const path = join(mkdtempSync(join(tmpdir(), 'gw-demo-')), 'flights.parquet')
  writeFileSync(path, data)
  const { status, stderr } = backtest('--data', path)
  expect(status).toBe(1)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).toContain(path)
})
