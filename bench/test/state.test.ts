import { expect, test } from 'vitest'
import { DuckDbState } from '../state/duckdb.js'
import { runWithMap, runWithoutState, runWithState } from '../state/gateway.js'
import { SCANNED_PRICE, TRADES_AN_ACCOUNT, Workload } from '../state/workload.js'

// Enough for the scan to find some.
const workload = new Workload(2_000)

test('the sides of the update keep the same records', async () => {
  const { channels } = await runWithState(workload)
  const { map } = await runWithMap(workload)
  const expected = [...workload.updates].sort((a, b) => (a.id < b.id ? -1 : 1))
  expect(channels.query('trades')).toEqual(expected)
  expect([...map.values()].sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(expected)
  expect((await runWithoutState(workload)).updateNs).toBeGreaterThan(0)
})

test('the sides of the queries find the same records', async () => {
  const { channels } = await runWithState(workload)
  const duckdb = await DuckDbState.load(workload)
  const account = workload.account(7)
  const ofAccount = channels.query('trades', { where: { account } })
  expect(ofAccount).toHaveLength(TRADES_AN_ACCOUNT)
  expect(await duckdb.equality(account)).toEqual(ofAccount)
  const scanned = channels.query('trades', { where: { price: { gt: SCANNED_PRICE }, side: 'buy' } })
  expect(await duckdb.scan()).toEqual(scanned)
  duckdb.close()
})
