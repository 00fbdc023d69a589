import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { type Broker, missingForBroker, startBroker } from './broker.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the broker; `undefined` where there is none. */
    brokers: string | undefined
  }
}

/** One broker for all tests: that of `KAFKA_BROKERS`, or a new one; without java or mvn, none, which is said in one line. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.KAFKA_BROKERS
  if (given !== undefined && given !== '') {
    project.provide('brokers', given)
    return () => Promise.resolve()
  }
  const missing = missingForBroker()
  if (missing !== undefined) {
    process.stdout.write(`Kafka tests are skipped: ${missing}; install it, or set KAFKA_BROKERS\n`)
    project.provide('brokers', undefined)
    return () => Promise.resolve()
  }
  const broker: Broker = await startBroker()
  project.provide('brokers', broker.address)
  return () => broker.remove()
}
