import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*', 'apps/*/*', 'bench', 'tests/*'].map(
      (folder) => `${folder}/vitest.config.ts`,
    ),
    reporters: ['default', './tools/summary-reporter.ts'],
    passWithNoTests: true,
  },
})
