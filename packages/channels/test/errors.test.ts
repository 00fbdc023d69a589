import { readFileSync } from 'node:fs'
import { ERROR_STATUS } from '@gw/protocol'
import { expect, test } from 'vitest'
import { GATEWAY_ERRORS } from '../src/errors.js'

const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')

/** The rows of the tables: a code, and what stands beside it. */
const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (.+) \|$/gm)].map(([, code, rest]) => ({
  code: code as string,
  cells: (rest as string).split(' | '),
}))

test('every code has its place in the page, and the page has no other', () => {
  expect(rows.map(({ code }) => code)).toEqual([...GATEWAY_ERRORS, ...Object.keys(ERROR_STATUS)])
})

test('the page gives the status of each code of the wire, and says when it comes and what to do', () => {
  for (const { code, cells } of rows) {
    const status = ERROR_STATUS[code as keyof typeof ERROR_STATUS] as number | undefined
    const [when, remedy] = status === undefined ? cells : cells.slice(1)
    if (status !== undefined) expect([code, cells[0]]).toEqual([code, String(status)])
    expect([code, when?.trim() === '', remedy?.trim() === '']).toEqual([code, false, false])
    expect([code, cells.length]).toEqual([code, status === undefined ? 2 : 3])
  }
})
