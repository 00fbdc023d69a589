import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpus } from 'node:os'
import type { Bare } from './bare.js'

export interface Shared {
  readonly recordsPerSecond: number
  /** How many cores the gateways used, all together. */
  readonly gatewayCores: number
  /** How many all that runs on the machine used, the broker among it. */
  readonly machineCores: number
}

interface Told {
  readonly ticks: number
  readonly cpuMs: number
}

/** Gateways in processes of their own, in one group: from when all of them may read to when all is read. */
export async function shareTopic(
  bare: Bare,
  broker: string,
  topic: string,
  records: number,
  count: number,
): Promise<Shared> {
  const groupId = randomUUID()
  const file = new URL('./kafka-worker.js', import.meta.url)
  const workers = Array.from({ length: count }, () => fork(file, [broker, topic, groupId]))
  await bare.groupOf(groupId, count)
  const told = workers.map((): Told => ({ ticks: 0, cpuMs: 0 }))
  const sum = (of: (one: Told) => number): number => told.reduce((all, one) => all + of(one), 0)
  const busyBefore = busyMs()
  const started = performance.now()
  await new Promise<void>((resolve) => {
    workers.forEach((worker, i) => {
      worker.on('message', (message) => {
        told[i] = message as Told
        if (sum(({ ticks }) => ticks) >= records) resolve()
      })
      worker.send('go')
    })
  })
  const elapsedMs = performance.now() - started
  const machineMs = busyMs() - busyBefore
  await Promise.all(workers.map(stop))
  const cores = (ms: number): number => Number((ms / elapsedMs).toFixed(2))
  return {
    recordsPerSecond: Math.round((records * 1_000) / elapsedMs),
    gatewayCores: cores(sum(({ cpuMs }) => cpuMs)),
    machineCores: cores(machineMs),
  }
}

async function stop(worker: ChildProcess): Promise<void> {
  const exited = once(worker, 'exit')
  worker.send('stop')
  await exited
}

/** Time that all cores together have worked. */
function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.sys + times.nice + times.irq, 0)
}
