import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { LOG4J, POM } from './broker-files.js'

const READY = 'Kafka Server started'
const LOST_ENDS = 'while trying to send transaction markers'
const START_MS = 90_000
const START_ATTEMPTS = 3
const STORE_PASSWORD = 'not-secret'
const KEYS = 'keys.p12'

/** Who may log in. */
export const LOGIN = { username: 'gateway', password: 'a-secret' }

/** A real Apache Kafka broker, in KRaft mode, on loopback. */
export interface Broker {
  /** `127.0.0.1:PORT`. */
  readonly address: string
  /** The same broker, for those who log in as {@link LOGIN}: SASL with PLAIN or SCRAM-SHA-256. */
  readonly saslAddress: string
  /** The same broker over TLS, with a certificate that only {@link certificate} vouches for. */
  readonly tlsAddress: string
  /** The same, for those who show a certificate, too: that of {@link keys}. */
  readonly mutualTlsAddress: string
  /** PEM. */
  readonly certificate: string
  /** The broker's key and certificate, as options of TLS; clients may show it, too. */
  readonly keys: { readonly pfx: Buffer; readonly passphrase: string }
  /**
   * How often it has left out the ends of a transaction, which it had confirmed, or ended, because partitions had no leader while it
   * was started again. It takes them for deleted (Kafka 4.3.1, `TransactionMarkerChannelManager`).
   */
  readonly lostEnds: number
  /** Ends it in order; data stays until {@link remove}. */
  stop(): Promise<void>
  /** Kills it with -9. */
  crash(): Promise<void>
  /** Starts it again on the same port, with its data. */
  restart(): Promise<void>
  /** Makes it hang, and go on. */
  pause(): void
  resume(): void
  /** Stops it and removes its data. */
  remove(): Promise<void>
}

/** Why no broker can be started here; `undefined` when one can. */
export function missingForBroker(): string | undefined {
  if (spawnSync('java', ['-version']).error !== undefined) return 'java is missing'
  if (existsSync(join(jarsFolder(), '.complete'))) return undefined
  return spawnSync('mvn', ['-version']).error === undefined ? undefined : 'mvn is missing'
}

/** Starts a broker on a free port, with a data folder of its own. `settings` are added to ours. */
export async function startBroker(
  settings: Readonly<Record<string, string>> = {},
): Promise<Broker> {
  const jars = await resolveJars()
  const folder = mkdtempSync(join(tmpdir(), 'gw-kafka-'))
  let ports = await freePorts()
  const certificate = await makeKeys(folder)
  const properties = join(folder, 'server.properties')
  writeFileSync(properties, propertiesOf(folder, ports, settings))
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A')
  await promisify(execFile)('java', [
    ...jvmArguments(jars, '192m'),
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId,
    '-c',
    properties,
    '--add-scram',
    `SCRAM-SHA-256=[name=${LOGIN.username},password=${LOGIN.password}]`,
  ])
  let lostEnds = 0
  const onLine = (line: string): void => {
    if (line.includes(LOST_ENDS)) lostEnds++
  }
  let child: ChildProcess
  for (let attempts = START_ATTEMPTS; ; attempts--) {
    try {
      child = await startServer(jars, properties, onLine)
      break
    } catch (error) {
      if (attempts === 0 || !String(error).includes('Address already in use')) throw error
      // Somebody else took one of the ports since it was found free.
      ports = await freePorts()
      writeFileSync(properties, propertiesOf(folder, ports, settings))
    }
  }
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill(signal)
    const timeout = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await gone
    clearTimeout(timeout)
  }
  return {
    address: `127.0.0.1:${ports.plain}`,
    saslAddress: `127.0.0.1:${ports.sasl}`,
    tlsAddress: `127.0.0.1:${ports.tls}`,
    mutualTlsAddress: `127.0.0.1:${ports.mutualTls}`,
    certificate,
    get lostEnds() {
      return lostEnds
    },
    keys: { pfx: readFileSync(join(folder, KEYS)), passphrase: STORE_PASSWORD },
    stop: () => kill('SIGTERM'),
    crash: () => kill('SIGKILL'),
    restart: async () => {
      child = await startServer(jars, properties, onLine)
    },
    pause: () => child.kill('SIGSTOP'),
    resume: () => child.kill('SIGCONT'),
    remove: async () => {
      await kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function jarsFolder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const version = createHash('sha256')
    .update(POM + LOG4J)
    .digest('hex')
    .slice(0, 12)
  return join(cache, 'gw-test-broker', version)
}

/** Resolves the broker's jars with Maven: about a minute and 45 MB the first time, nothing later. */
async function resolveJars(): Promise<string> {
  const folder = jarsFolder()
  if (existsSync(join(folder, '.complete'))) return folder
  const fresh = `${folder}-${process.pid}`
  mkdirSync(fresh, { recursive: true })
  const pom = join(fresh, 'pom.xml')
  writeFileSync(pom, POM)
  writeFileSync(join(fresh, 'log4j2.properties'), LOG4J)
  await promisify(execFile)('mvn', [
    '-q',
    '-B',
    '-f',
    pom,
    'org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies',
    '-DincludeScope=runtime',
    `-DoutputDirectory=${fresh}`,
  ])
  writeFileSync(join(fresh, '.complete'), '')
  try {
    renameSync(fresh, folder)
  } catch (error) {
    // Somebody else was faster; what is there is as good.
    rmSync(fresh, { recursive: true })
    if (!existsSync(join(folder, '.complete'))) throw error
  }
  return folder
}

function jvmArguments(jars: string, heap: string): string[] {
  return [
    `-Xmx${heap}`,
    '-XX:+UseSerialGC',
    '-Djava.awt.headless=true',
    `-Dlog4j2.configurationFile=${join(jars, 'log4j2.properties')}`,
    '-cp',
    join(jars, '*'),
  ]
}

async function startServer(
  jars: string,
  properties: string,
  onLine: (line: string) => void,
): Promise<ChildProcess> {
  const child = spawn('java', [...jvmArguments(jars, '384m'), 'kafka.Kafka', properties], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const watchdog = spawn('sh', ['-c', `cat >/dev/null; kill -9 ${child.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  watchdog.unref()
  child.once('exit', () => watchdog.kill('SIGKILL'))
  createInterface({ input: child.stdout as Readable }).on('line', onLine)
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const timeout = setTimeout(
      () => reject(new Error(`the broker is not ready after ${START_MS / 1_000} s:\n${output}`)),
      START_MS,
    )
    child.stderr?.on('data', (chunk) => {
      output += chunk
    })
    child.stdout?.on('data', (chunk) => {
      output = (output + chunk).slice(-16_384)
      if (!output.includes(READY)) return
      clearTimeout(timeout)
      resolve()
    })
    child.once('exit', (code) => {
      clearTimeout(timeout)
      reject(new Error(`the broker ended with ${code}:\n${output}`))
    })
  })
  return child
}

async function freePorts(): Promise<Ports> {
  // Each is held until all are found: one that is let go may be found again.
  const [plain, sasl, tls, mutualTls, controller] = await Promise.all([
    heldPort(),
    heldPort(),
    heldPort(),
    heldPort(),
    heldPort(),
  ])
  return {
    plain: await plain(),
    sasl: await sasl(),
    tls: await tls(),
    mutualTls: await mutualTls(),
    controller: await controller(),
  }
}

interface Ports {
  readonly plain: number
  readonly sasl: number
  readonly tls: number
  readonly mutualTls: number
  readonly controller: number
}

/** Makes the broker's key. @returns its certificate. */
async function makeKeys(folder: string): Promise<string> {
  const store = ['-alias', 'broker', '-keystore', join(folder, KEYS), '-storepass', STORE_PASSWORD]
  await promisify(execFile)('keytool', [
    '-genkeypair',
    ...store,
    ...['-keyalg', 'EC', '-validity', '30', '-storetype', 'PKCS12'],
    ...['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1'],
  ])
  const { stdout } = await promisify(execFile)('keytool', ['-exportcert', '-rfc', ...store])
  return stdout
}

function propertiesOf(
  folder: string,
  { plain, sasl, tls, mutualTls, controller }: Ports,
  more: Readonly<Record<string, string>>,
): string {
  const listeners = [
    `PLAINTEXT://127.0.0.1:${plain}`,
    `SASL_PLAINTEXT://127.0.0.1:${sasl}`,
    `SSL://127.0.0.1:${tls}`,
    `MUTUAL://127.0.0.1:${mutualTls}`,
  ].join(',')
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `${listeners},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': listeners,
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT',
    'ssl.keystore.location': join(folder, KEYS),
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.password': STORE_PASSWORD,
    'listener.name.mutual.ssl.client.auth': 'required',
    'listener.name.mutual.ssl.truststore.location': join(folder, KEYS),
    'listener.name.mutual.ssl.truststore.type': 'PKCS12',
    'listener.name.mutual.ssl.truststore.password': STORE_PASSWORD,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,OAUTHBEARER',
    'listener.name.sasl_plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${LOGIN.username}="${LOGIN.password}";`,
    'listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config':
      'org.apache.kafka.common.security.scram.ScramLoginModule required;',
    // Takes tokens that nobody has signed.
    'listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config':
      'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(folder, 'data'),
    'num.network.threads': 2,
    'num.io.threads': 4,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 2,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'log.cleaner.dedupe.buffer.size': 8_388_608,
    // How long the cleaner rests when there is nothing to compact; the default is 15 s.
    'log.cleaner.backoff.ms': 100,
    'log.index.size.max.bytes': 1_048_576,
    // After kill -9 it can register again only when its old session has expired; the default is 9 s.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    ...more,
  }
  return `${Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`
}

/** Holds a free port. @returns what lets it go, and tells it. */
async function heldPort(): Promise<() => Promise<number>> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return async () => {
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
