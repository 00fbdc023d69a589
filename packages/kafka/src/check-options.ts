import type { Channels } from '@gw/channels'
import { timestampOf } from '@gw/core'
import { type AnyChannels, stepsOf } from '@gw/protocol'
import type { ClusterOptions } from './cluster-options.js'
import { KafkaError } from './errors.js'
import {
  BOOLEAN,
  COUNT,
  COUNT_FROM_0,
  checkShape,
  FUNCTION,
  is,
  isObject,
  isSecretly,
  isText,
  isUrl,
  isWhole,
  listOf,
  MS,
  mapOf,
  methods,
  oneOf,
  type Rule,
  type RulesOf,
  shape,
  shown,
  TEXT,
  TOPIC,
} from './option-rules.js'
import { DEAD_LETTERS, type KafkaOptions, type KeyOption, topicsOf } from './options.js'
import type { ReplayOptions } from './replay.js'
import { KeyedStore } from './store.js'

type Any = AnyChannels

const BROKERS: Rule = is(
  'a list of HOST:PORT with at least one element',
  (value) => Array.isArray(value) && value.length > 0 && value.every(isAddress),
)
const ATTRIBUTE: Rule = shape({ attribute: TEXT }, ['attribute'])
const KEY: Rule = (value, name) =>
  typeof value === 'string' || (isObject(value) && ATTRIBUTE(value, name) === undefined)
    ? undefined
    : `${name}, the key of its records, is a text or { attribute: a text }, not ${shown(value)}`
const WANTED_KEY: Rule = is(
  "the key of the records that are taken, a text, or '' for all",
  (value) => typeof value === 'string',
)
const FUNCTIONS: Rule = mapOf(TEXT, FUNCTION)

/** Topics of channels, each channel with one at least. */
function topicsRule(key: Rule): Rule {
  const topics = mapOf(TOPIC, key)
  return mapOf(TEXT, (value, name) => {
    const problem = topics(value, name)
    if (problem !== undefined || Object.keys(value as object).length > 0) return problem
    return `${name} names no topic: give it one, or leave the channel out`
  })
}

const CONNECTION = {
  brokers: BROKERS,
  clientId: TEXT,
  ssl: is(
    'true, false or the options of TLS',
    (value) => typeof value === 'boolean' || isObject(value),
  ),
  sasl: isSecretly(
    'an object with a mechanism',
    (value) => isObject(value) && isText(value.mechanism),
  ),
  client: methods(
    'producer',
    'consumer',
    'transactor',
    'reader',
    'ensureTopics',
    'topicSettings',
    'bounds',
    'offsetsAt',
  ),
  name: TEXT,
  subscribe: topicsRule(WANTED_KEY),
  subscribeProcessors: FUNCTIONS,
  serde: methods('write', 'read'),
} as const

const KAFKA: RulesOf<KafkaOptions<Any>> = {
  ...CONNECTION,
  publish: topicsRule(KEY),
  publishProcessors: FUNCTIONS,
  publishHeaders: FUNCTIONS,
  exactlyOnce: BOOLEAN,
  groupId: TEXT,
  from: oneOf('earliest', 'latest'),
  createTopics: BOOLEAN,
  deadLetterTopic: TOPIC,
  maxPendingRecords: COUNT,
  maxPendingBytes: COUNT,
  maxInFlight: COUNT,
  drainTimeoutMs: MS,
  sessionTimeoutMs: MS,
  statusChannel: TEXT,
  onStatus: FUNCTION,
}

const CLUSTER: RulesOf<ClusterOptions<Any>> = {
  ...KAFKA,
  by: mapOf(TEXT, TEXT),
  stores: listOf(is('a store, made with store()', (value) => value instanceof KeyedStore)),
  changelogTopic: TOPIC,
  standbys: COUNT_FROM_0,
  checkpoints: shape({ folder: TEXT, everyMs: MS }, ['folder']),
  relay: mapOf(TEXT, TEXT),
  listen: shape({
    host: TEXT,
    port: is('a port, from 0 to 65535', (value) => isWhole(value, 0, 65_535)),
  }),
  advertise: is('an address such as http://10.0.0.7:4100', isUrl),
  secret: isSecretly('a text that is not empty', isText),
  web: FUNCTION,
  peerTimeoutMs: MS,
  ownerTimeoutMs: MS,
  partitioner: FUNCTION,
}

const OFFSET: Rule = is(
  'an offset: a whole number from 0 on, or its digits',
  (value) => isWhole(value, 0) || (typeof value === 'string' && /^\d{1,19}$/.test(value)),
)
const PARTITION: Rule = is('the number of a partition', (value) => /^\d+$/.test(String(value)))
const PLACE: Rule = (value, name) => {
  if (isObject(value) && Object.keys(value).length === 1) {
    if ('time' in value) return TIME(value.time, `${name}.time`)
    if ('offsets' in value) return OFFSETS(value.offsets, `${name}.offsets`)
  }
  return `${name} is { time: … } or { offsets: { TOPIC: { PARTITION: OFFSET } } }, not ${shown(value)}`
}
const TIME: Rule = is('a time: whole microseconds since 1970, or ISO 8601', isTime)
const OFFSETS: Rule = mapOf(TOPIC, mapOf(PARTITION, OFFSET))

const REPLAY: RulesOf<ReplayOptions<Any>> = {
  ...CONNECTION,
  from: PLACE,
  to: (value, name) => (value === 'live' ? undefined : PLACE(value, name)),
  eventTime: (value, name) => (value === 'record' ? undefined : ATTRIBUTE(value, name)),
  latenessMs: is(
    'a number of milliseconds from 0 on',
    (value) => typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY,
  ),
  idleMs: MS,
  maxWaiting: COUNT,
  brokerTimeoutMs: MS,
}

/** @throws KafkaError `INVALID_OPTIONS`. */
export function checkKafkaOptions(options: KafkaOptions<Any>): void {
  checkShape('kafka', options, { ...KAFKA }, ['brokers'])
  if (options.publish === undefined && options.subscribe === undefined) {
    throw invalid(
      'kafka has to have publish or subscribe: say which channels to publish, or to subscribe',
    )
  }
  checkPairs('kafka', options)
}

/** @throws KafkaError `INVALID_OPTIONS`. */
export function checkClusterOptions(options: ClusterOptions<Any>): void {
  checkShape('cluster', options, { ...CLUSTER }, ['brokers', 'groupId', 'by'])
  checkPairs('cluster', options)
  const { stores = [], subscribe, changelogTopic, listen, secret } = options
  const names = stores.map(({ name }) => name)
  if (new Set(names).size < names.length) {
    throw invalid(`cluster.stores have names of their own, not ${names.join(', ')}`)
  }
  if (topicsOf(subscribe).length === 0) {
    throw invalid('cluster.subscribe: a cluster shares what it subscribes: say what')
  }
  if (changelogTopic !== undefined && topicNamesOf(subscribe).has(changelogTopic)) {
    throw invalid(
      `cluster.changelogTopic is one that is subscribed, ${shown(changelogTopic)}: choose another`,
    )
  }
  if (secret === undefined && listen?.host !== undefined && !LOOPBACK.test(listen.host)) {
    throw invalid(
      `cluster: others reach ${listen.host}: give the gateways of the cluster a "secret"`,
    )
  }
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/

/** @throws KafkaError `INVALID_OPTIONS`. */
export function checkReplayOptions(options: ReplayOptions<Any>): void {
  checkShape('replayKafka', options, { ...REPLAY }, ['brokers'])
  const { subscribe, from, to } = options
  if (topicsOf(subscribe).length === 0) {
    throw invalid('replayKafka.subscribe: say which channels are replayed, from which topics')
  }
  checkChannelsOf(
    'replayKafka',
    'subscribeProcessors',
    options.subscribeProcessors,
    'subscribe',
    subscribe,
  )
  const topics = topicNamesOf(subscribe)
  for (const [name, place] of Object.entries({ from, to })) {
    if (typeof place !== 'object' || !('offsets' in place)) continue
    const odd = Object.keys(place.offsets).find((topic) => !topics.has(topic))
    if (odd === undefined) continue
    throw invalid(
      `replayKafka.${name}.offsets names the topic ${shown(odd)}, which is not subscribed`,
    )
  }
}

/** What has to go together with what. */
function checkPairs(call: string, options: KafkaOptions<Any>): void {
  const { publish, subscribe, deadLetterTopic = DEAD_LETTERS } = options
  checkChannelsOf(call, 'publishProcessors', options.publishProcessors, 'publish', publish)
  checkChannelsOf(call, 'publishHeaders', options.publishHeaders, 'publish', publish)
  checkChannelsOf(call, 'subscribeProcessors', options.subscribeProcessors, 'subscribe', subscribe)
  if (topicNamesOf(subscribe).has(deadLetterTopic)) {
    throw invalid(
      `${call}.deadLetterTopic is one that is subscribed, ${shown(deadLetterTopic)}: a letter that does not fit would come back for ever; choose another`,
    )
  }
}

/** What is said for channels that are not there would never be done. */
function checkChannelsOf(
  call: string,
  option: string,
  named: object | undefined,
  other: string,
  there: object | undefined,
): void {
  const odd = Object.keys(named ?? {}).find((channel) => !Object.hasOwn(there ?? {}, channel))
  if (odd === undefined) return
  throw invalid(`${call}.${option} names ${shown(odd)}, which ${other} does not: name it in both`)
}

/** What an option names of a contract has to be there. @throws KafkaError `INVALID_OPTIONS` while the graph is wired. */
export function checkNamedChannels(
  channels: Channels<Any>,
  option: string,
  names: readonly string[],
): void {
  const known: readonly string[] = channels.names
  const odd = names.find((name) => !known.includes(name))
  if (odd === undefined) return
  throw new KafkaError(
    'INVALID_OPTIONS',
    `${option} names the channel ${shown(odd)}, which the contract does not have: it has ${known.join(', ')}`,
    { channel: odd },
  )
}

/** Of a struct it is known which attributes it has. @throws KafkaError `INVALID_OPTIONS` while the graph is wired. */
function checkAttribute(
  channels: Channels<Any>,
  option: string,
  channel: string,
  attribute: string,
): void {
  const { schema } = channels.definitionOf(channel) as unknown as { readonly schema: StructSchema }
  const record = schema.element ?? schema
  const [first = ''] = stepsOf(attribute)
  if (record.structName === undefined || record.shape === undefined) return
  if (Object.hasOwn(record.shape, first)) return
  throw new KafkaError(
    'INVALID_OPTIONS',
    `${option} names the attribute ${shown(attribute)}, which records of "${channel}" do not have: they have ${Object.keys(record.shape).join(', ')}`,
    { channel },
  )
}

/** What of a schema tells whether it is a struct. */
interface StructSchema {
  readonly element?: StructSchema
  readonly structName?: string
  readonly shape?: object
}

/** What `publish` and `subscribe` name. @throws KafkaError `INVALID_OPTIONS` while the graph is wired. */
export function checkTopicsOf(
  channels: Channels<Any>,
  { publish, subscribe }: Pick<KafkaOptions<Any>, 'publish' | 'subscribe'>,
): void {
  checkNamedChannels(channels, 'subscribe', namesOf(subscribe))
  checkNamedChannels(channels, 'publish', namesOf(publish))
  for (const [channel, topics] of topicsOf<KeyOption>(publish)) {
    for (const [topic, key] of Object.entries(topics)) {
      if (typeof key === 'string') continue
      const { attribute } = key
      if (channels.shapeOf(channel as never) !== 'list') {
        checkAttribute(channels, 'publish', channel, attribute)
        continue
      }
      throw new KafkaError(
        'INVALID_OPTIONS',
        `"${channel}" ticks lists, which have no attribute "${attribute}" to be the key on "${topic}": give a text, or publish the records one by one on another channel`,
        { channel, topic },
      )
    }
  }
}

/** What a cluster names beside that. @throws KafkaError `INVALID_OPTIONS` while the graph is wired. */
export function checkClusterChannels(
  channels: Channels<Any>,
  { by, relay = {} }: { readonly by: Texts; readonly relay?: Texts },
): void {
  checkNamedChannels(channels, 'by', namesOf(by))
  for (const [channel, attribute] of Object.entries(by)) {
    if (attribute !== undefined) checkAttribute(channels, 'by', channel, attribute)
  }
  const others = Object.values(relay).filter((to) => to !== undefined)
  checkNamedChannels(channels, 'relay', [...namesOf(relay), ...others])
  const [circle] = Object.entries(relay).find(([from, to]) => from === to) ?? []
  if (circle === undefined) return
  throw new KafkaError(
    'INVALID_OPTIONS',
    `relay has "${circle}" tick on itself, and so for ever: name another channel`,
    { channel: circle },
  )
}

type Texts = Readonly<Record<string, string | undefined>>

function namesOf(option: object | undefined): readonly string[] {
  return Object.entries(option ?? {}).flatMap(([name, value]) => (value === undefined ? [] : name))
}

function topicNamesOf(option: object | undefined): ReadonlySet<string> {
  return new Set(topicsOf(option).flatMap(([, topics]) => Object.keys(topics)))
}

function isAddress(value: unknown): boolean {
  const port = typeof value === 'string' ? /^\S+:(\d{1,5})$/.exec(value)?.[1] : undefined
  return port !== undefined && isWhole(Number(port), 1, 65_535)
}

function isTime(value: unknown): boolean {
  if (typeof value !== 'string') return Number.isSafeInteger(value)
  try {
    timestampOf(value)
    return true
  } catch {
    return false
  }
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_OPTIONS', message)
}
