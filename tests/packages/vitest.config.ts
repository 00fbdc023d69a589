import { defineProject, mergeConfig } from 'vitest/config'
import shared from '../../vitest.shared.js'

export default mergeConfig(
  shared,
  defineProject({
    test: {
      name: 'packages',
      globalSetup: '../../tools/build-setup.ts',
      testTimeout: 240_000,
      hookTimeout: 240_000,
      fileParallelism: false,
    },
  }),
)
