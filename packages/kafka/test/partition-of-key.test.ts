import { javaPartitioner } from '@gw/kafka'
import fc from 'fast-check'
import { Partitioners } from 'kafkajs'
import { expect, test } from 'vitest'

test('a key has the partition that kafkajs gives it, and with it the Java client', () => {
  const kafkajs = Partitioners.DefaultPartitioner()
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 50 }), (key, count) => {
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        partitionId,
        leader: 0,
        partitionErrorCode: 0,
        replicas: [0],
        isr: [0],
      }))
      const message = { key, value: null }
      expect(javaPartitioner(key, count)).toBe(kafkajs({ topic: 't', partitionMetadata, message }))
    }),
    { numRuns: 1_000 },
  )
})
