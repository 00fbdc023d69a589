import process from 'node:process'
import { FlightsFile } from './data/flights.js'
import { demoGateway } from './gateway.js'
import { type Tally, tally } from './modules/tally.js'
import { BACKTEST_HELP, parseBacktestCommand, reportOf } from './options.js'
import { progressBar } from './progress-bar.js'

try {
  await backtest(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`backtest: ${reportOf(error)}\n`)
  process.exitCode = 1
}

async function backtest(args: readonly string[]): Promise<void> {
  const command = parseBacktestCommand(args)
  if (command.help) {
    process.stdout.write(BACKTEST_HELP)
    return
  }
  const started = performance.now()
  const file = await FlightsFile.open(command.data)
  const rows = Math.min(command.rows ?? file.rows, file.rows)
  const result: Tally = {
    flights: 0,
    delayed: 0,
    sumDelay: 0,
    airports: new Map(),
    alerts: { raised: 0, cleared: 0 },
  }
  const gateway = demoGateway(file, { rows, modules: [tally(result)] })
  const bar = progressBar(process.stderr, rows, () => result.flights)
  try {
    await gateway.simulate({ start: file.first })
  } finally {
    bar.stop()
  }
  const seconds = (performance.now() - started) / 1_000
  report(result, seconds)
  if (command.json) process.stdout.write(`${JSON.stringify(jsonOf(result, seconds))}\n`)
}

function report(result: Tally, seconds: number): void {
  const busiest = [...result.airports]
    .sort(([, a], [, b]) => b.departures - a.departures)
    .slice(0, 10)
  const lines = busiest.map(([airport, { departures, delayed }]) => {
    const share = ((100 * delayed) / departures).toFixed(1)
    return `${airport} ${String(departures).padStart(9)} ${String(delayed).padStart(9)} ${share.padStart(6)} %`
  })
  process.stdout.write(
    `     departs   delayed\n${lines.join('\n')}\n${result.flights} flights in ${seconds.toFixed(2)} s, ${Math.round(
      result.flights / seconds,
    )} a second\n`,
  )
}

function jsonOf(result: Tally, seconds: number): object {
  const { flights, delayed, sumDelay, alerts } = result
  const airports = [...result.airports]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([airport, board]) => [airport, { departures: board.departures, delayed: board.delayed }])
  return { flights, delayed, sumDelay, airports: Object.fromEntries(airports), alerts, seconds }
}
