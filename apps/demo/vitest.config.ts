import { defineProject, mergeConfig } from 'vitest/config'
import shared from '../../vitest.shared.js'

export default mergeConfig(
  shared,
  defineProject({
    test: {
      name: 'demo',
      globalSetup: [
        '../../tools/build-setup.ts',
        '../../packages/kafka/test/broker/global-setup.ts',
      ],
      testTimeout: 60_000,
      hookTimeout: 120_000,
    },
  }),
)
