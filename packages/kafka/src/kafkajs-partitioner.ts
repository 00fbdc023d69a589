import { type ICustomPartitioner, Partitioners } from 'kafkajs'
import { javaPartitioner } from './partition-of-key.js'

/** Partitions as kafkajs chooses them, those of keys without its numbers of 64 bits: ten times as fast. */
export const partitionerOfKeys: ICustomPartitioner = () => {
  const ofOthers = Partitioners.DefaultPartitioner()
  return (given) => {
    const { key, partition } = given.message
    return typeof key === 'string' && partition === undefined
      ? javaPartitioner(key, given.partitionMetadata.length)
      : ofOthers(given)
  }
}
