import process from 'node:process'
import { createClient } from '@gw/client'
import type { channels } from '@gw-apps/demo-contract'

const WORST = 5
const WAIT_MS = Number(process.env.DEMO_WAIT_MS ?? 60_000)
const RUN_MS = Number(process.env.DEMO_RUN_MS ?? 10_000)

const url = process.env.GW_URL ?? 'http://127.0.0.1:8000'
const apiKey = process.env.GW_API_KEY ?? process.env.API_KEY

/** Prints the worst airports live, then sets a threshold and waits for the alert that follows. */
async function main(): Promise<void> {
  const client = createClient<typeof channels>({ url, ...(apiKey === undefined ? {} : { apiKey }) })
  try {
    const board = await watchBoards(client)
    if (board === undefined) console.log('no airport is late enough yet: try again in a moment')
    else await provokeAlert(client, board)
  } finally {
    await client.$close()
  }
}

type Client = ReturnType<typeof createClient<typeof channels>>

interface Board {
  readonly airport: string
  readonly meanDelay: number
}

/**
 * Keeps the boards as they tick and prints the five with the highest mean delay once a second.
 * @returns the worst that is not in alert.
 */
async function watchBoards(client: Client): Promise<Board | undefined> {
  const boards = new Map<string, Board>()
  const worst = () => [...boards.values()].sort((a, b) => b.meanDelay - a.meanDelay).slice(0, WORST)
  const stop = AbortSignal.timeout(RUN_MS)
  const timer = setInterval(() => {
    const row = worst().map(({ airport, meanDelay }) => `${airport} ${meanDelay.toFixed(1)}`)
    console.log(`worst five: ${row.join('   ')}`)
  }, 1_000)
  try {
    for await (const { key, value } of client.boards.subscribe({
      from: 'snapshot',
      signal: stop,
    })) {
      if (value.departures >= 10) boards.set(key, value)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    clearInterval(timer)
  }
  const raised = await client.alerts.query({ where: { status: 'raised' } })
  const inAlert = new Set(raised.map(({ airport }) => airport))
  return [...boards.values()]
    .filter(({ airport, meanDelay }) => meanDelay >= 2 && !inAlert.has(airport))
    .sort((a, b) => b.meanDelay - a.meanDelay)[0]
}

/** Lowers an airport's threshold to below its mean delay and waits for the alert. */
async function provokeAlert(client: Client, { airport, meanDelay }: Board): Promise<void> {
  const signal = AbortSignal.timeout(WAIT_MS)
  const alerts = client.alerts.subscribe({ signal })
  const alert = (async () => {
    for await (const change of alerts) {
      if (change.airport === airport && change.status === 'raised') return change
    }
    return undefined
  })()
  const minutes = Math.ceil(meanDelay / 2)
  await client.thresholds.send({ airport, minutes })
  console.log(
    `threshold of ${airport} set to ${minutes} min, mean delay ${meanDelay.toFixed(1)} min`,
  )
  const seen = await alert.catch(() => undefined)
  if (seen === undefined) console.log(`no alert for ${airport} within ${WAIT_MS / 1_000} s`)
  else
    console.log(
      `alert: ${airport} has a mean delay of ${seen.meanDelay} min, threshold ${seen.threshold}`,
    )
}

await main().catch((error: unknown) => {
  console.error(`demo:client: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
})
