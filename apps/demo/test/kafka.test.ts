import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
// Tells what is injected.
import type {} from '../../../packages/kafka/test/broker/global-setup.js'
import {
  committedRecords,
  createTopic,
  produce,
} from '../../../packages/kafka/test/broker/topics.js'
import { type DemoProcess, startDemo } from './demo-process.js'

const brokers = inject('brokers')

describe.skipIf(brokers === undefined)('with KAFKA_BROKERS set', () => {
  const broker = brokers ?? ''
  let demo: DemoProcess

  beforeAll(async () => {
    for (const topic of ['gw.flights', 'gw.alerts', 'gw.thresholds']) {
      await createTopic(broker, topic, 1)
    }
    demo = await startDemo(['--no-auth', '--speed', '36000'], { KAFKA_BROKERS: broker })
  })

  afterAll(() => demo?.stop())

  test('a threshold that comes from Kafka raises alerts, which go to Kafka as the flights do, by airport', async () => {
    await produce(broker, 'gw.thresholds', [{ key: '*', value: '{"airport":"*","minutes":1}' }])
    const keysOf = async (topic: string, field: string): Promise<boolean[]> =>
      (await committedRecords(broker, topic)).map(
        ({ key, value }) => (JSON.parse(value) as Record<string, unknown>)[field] === key,
      )
    await expect
      .poll(() => keysOf('gw.alerts', 'airport'), { timeout: 40_000, interval: 500 })
      .toContain(true)
    expect(await keysOf('gw.alerts', 'airport')).not.toContain(false)
    const flights = await keysOf('gw.flights', 'origin')
    expect(flights).toContain(true)
    expect(flights).not.toContain(false)
    const answer = await fetch(`${demo.url}/api/v1/state/thresholds`)
    expect(await answer.json()).toMatchObject([{ airport: '*', minutes: 1 }])
  })
})
