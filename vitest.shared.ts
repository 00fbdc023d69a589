import { defineConfig } from 'vitest/config'

/** What the test config of every package shares: sources are tested as they are, unbuilt. */
export default defineConfig({
  resolve: { conditions: ['@gw/source', 'module', 'node', 'development'] },
  ssr: { resolve: { conditions: ['@gw/source', 'module', 'node', 'development'] } },
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // What is waited for may take longer than a second on a machine that is busy.
    expect: { poll: { timeout: 15_000 } },
  },
})
