const CLOSED = 'its port may speak TLS or SASL where ssl and sasl do not, or the other way round'
const NO_TLS = 'its port may speak no TLS: leave ssl out, or take the port that does'

/** What of a failure is kafkajs's. */
interface Failure {
  readonly name: string
  readonly message: string
  readonly type?: unknown
  readonly broker?: unknown
  readonly cause?: unknown
  /** Of what was asked of several topics at once. */
  readonly errors?: readonly { readonly topic?: string; readonly message: string }[]
}

/** What may be the matter where kafkajs could not do what it was asked, in words that tell what to do; nothing of other failures. */
export function kafkajsTroubleOf(error: Error): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const text = textOf(at as Failure)
    if (text !== undefined) return text
  }
  return undefined
}

function textOf({ name, message, type, broker, errors }: Failure): string | undefined {
  if (name === 'KafkaJSAggregateError' && errors !== undefined) {
    const each = errors.map((error) => `topic "${error.topic}": ${error.message}`)
    return `${message}: ${each.join('; ')}`
  }
  if (type === 'ILLEGAL_SASL_STATE') {
    return `${message}: the port of the broker may take no logins: leave sasl out, or take the port that does`
  }
  if (type === 'UNSUPPORTED_SASL_MECHANISM') {
    return `${message}: see sasl.enabled.mechanisms of the broker`
  }
  if (type === 'CLUSTER_AUTHORIZATION_FAILED') {
    return `${message}: the login may write to no topic at all`
  }
  if (name === 'KafkaJSGroupCoordinatorNotFound') {
    return `${message}: the broker is starting, or the login has no right to the group, or to transactional ids that begin as it does`
  }
  if (name === 'KafkaJSNotImplemented') {
    return `${message}: a topic is compressed in a way that kafkajs cannot read by itself; register the codec in its CompressionCodecs, or set compression.type of the topic to gzip`
  }
  if (name === 'KafkaJSConnectionClosedError') {
    return `the broker ${broker} closed the connection: it has ended, or ${CLOSED}`
  }
  if (name !== 'KafkaJSConnectionError') return undefined
  if (message.includes('before secure TLS connection')) {
    return `the broker ${broker} closed the connection before TLS began: ${NO_TLS}`
  }
  // OpenSSL tells its files and lines, too.
  const alert = /SSL routines:[^:]*:([^:\n]*)/.exec(message)?.[1]
  if (alert === undefined) {
    return message.includes(String(broker)) ? message : `${message} (${broker})`
  }
  const remedy = /certificate|handshake/.test(alert)
    ? '; it may want a certificate of a client that it trusts: ssl.cert and ssl.key'
    : ''
  return `the broker ${broker} does not take the TLS connection: ${alert}${remedy}`
}
