/** Says to which of so many partitions a key belongs. */
export type Partitioner = (key: string, partitions: number) => number

/** The partition that Kafka's Java clients, and kafkajs, give a record of this key: murmur2, made positive, modulo. */
export const javaPartitioner: Partitioner = (key, partitions) =>
  (murmur2(Buffer.from(key)) & 0x7f_ff_ff_ff) % partitions

const M = 0x5b_d1_e9_95

/** MurmurHash2 of 32 bits as in Kafka's `Utils.murmur2`. */
function murmur2(bytes: Buffer): number {
  let hash = 0x97_47_b2_8c ^ bytes.length
  const whole = bytes.length & ~3
  for (let at = 0; at < whole; at += 4) {
    let k = Math.imul(bytes.readInt32LE(at), M)
    k ^= k >>> 24
    hash = Math.imul(hash, M) ^ Math.imul(k, M)
  }
  if (bytes.length > whole) {
    for (let at = bytes.length - 1; at >= whole; at--) {
      hash ^= (bytes[at] as number) << (8 * (at - whole))
    }
    hash = Math.imul(hash, M)
  }
  hash ^= hash >>> 13
  hash = Math.imul(hash, M)
  return hash ^ (hash >>> 15)
}
