import { spawnSync } from 'node:child_process'
import type {} from 'vitest'
import type { TestProject } from 'vitest/node'
import { type Broker, missingForBroker, startBroker } from './broker.js'

interface TlsBroker {
  readonly brokers: string
  readonly certificate: string
  /** Where clients show a certificate, too. */
  readonly mutual: string
  /** What they show, in base64. */
  readonly pfx: string
  readonly passphrase: string
}

const RUNNING = Symbol.for('gw.broker')

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the broker; `undefined` where there is none. */
    brokers: string | undefined
    /** Its address for those who log in; `undefined` where we did not start it. */
    saslBrokers: string | undefined
    /** Its addresses over TLS, and the certificate; likewise. */
    tls: TlsBroker | undefined
    /** Whether kcat is here, and a broker for it. */
    kcat: boolean
  }
}

/** One broker for all tests of all projects that ask: that of `KAFKA_BROKERS`, or a new one; without java or mvn, none, which is said in one line. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const hasKcat = spawnSync('kcat', ['-V']).status === 0
  if (!hasKcat) process.stdout.write('Kafka tests with kcat are skipped: install kcat\n')
  project.provide('kcat', hasKcat)
  const given = process.env.KAFKA_BROKERS
  if (given !== undefined && given !== '') {
    project.provide('brokers', given)
    project.provide('saslBrokers', undefined)
    project.provide('tls', undefined)
    process.stdout.write(
      'Kafka login and TLS tests are skipped: they need a broker of their own, without KAFKA_BROKERS\n',
    )
    return () => Promise.resolve()
  }
  const missing = missingForBroker()
  if (missing !== undefined) {
    process.stdout.write(`Kafka tests are skipped: ${missing}; install it, or set KAFKA_BROKERS\n`)
    project.provide('brokers', undefined)
    project.provide('saslBrokers', undefined)
    project.provide('tls', undefined)
    return () => Promise.resolve()
  }
  const shared = globalThis as { [RUNNING]?: Promise<Broker> }
  shared[RUNNING] ??= startBroker()
  const broker = await shared[RUNNING]
  project.provide('brokers', broker.address)
  project.provide('saslBrokers', broker.saslAddress)
  project.provide('tls', {
    brokers: broker.tlsAddress,
    certificate: broker.certificate,
    mutual: broker.mutualTlsAddress,
    pfx: broker.keys.pfx.toString('base64'),
    passphrase: broker.keys.passphrase,
  })
  return () => broker.remove()
}
