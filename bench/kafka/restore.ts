import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Bare } from './bare.js'

export interface Restored {
  readonly ms: number
  /** What the process takes, of which `bareMb` without any state. */
  readonly rssMb: number
  readonly bareMb: number
}

export interface Restore {
  readonly changelog: Restored
  readonly checkpoint: Restored
}

/** Has a gateway restore a million records from its changelog, then another one from the checkpoint that it left. */
export async function restore(
  bare: Bare,
  broker: string,
  kind: 'store' | 'state',
  records: number,
  folder: string,
): Promise<Restore> {
  const [groupId, topic] = [randomUUID(), randomUUID()]
  const changelog = `${groupId}-changelog`
  await bare.createTopic(topic, 1)
  await bare.createTopic(changelog, 1, { 'cleanup.policy': 'compact' })
  await bare.fill(changelog, records, (i) => recordOf(kind, i))
  const run = async (): Promise<Restored> => {
    const file = new URL('./kafka-restore.js', import.meta.url)
    const child = fork(file, [broker, topic, groupId, kind, String(records), folder], {
      execArgv: ['--expose-gc'],
    })
    const exited = once(child, 'exit')
    const [restored] = (await Promise.race([
      once(child, 'message'),
      exited.then(([code]) => {
        throw new Error(`the gateway that restores has ended with ${code}`)
      }),
    ])) as [Restored]
    child.send('stop')
    await exited
    return restored
  }
  return { changelog: await run(), checkpoint: await run() }
}

/** As a gateway writes it. */
function recordOf(
  kind: 'store' | 'state',
  i: number,
): { readonly key: string; readonly value: string } {
  const symbol = `key-${i}`
  if (kind === 'store') {
    return {
      key: JSON.stringify(['sums', symbol]),
      value: JSON.stringify({ sum: i, count: i % 100 }),
    }
  }
  return {
    key: JSON.stringify(['state positions', JSON.stringify([symbol])]),
    value: JSON.stringify({
      id: String(10 ** 15 + i),
      timestamp: '2026-01-01T00:00:00.000000Z',
      symbol,
      sum: i,
      count: i % 100,
    }),
  }
}
