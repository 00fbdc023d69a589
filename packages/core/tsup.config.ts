import { defineConfig } from 'tsup'
import { shared } from '../../tsup.shared.js'

export default defineConfig({
  ...shared,
  // A file for a file: bundled, `export * as stats` would keep all statistics in every program that imports anything.
  entry: ['src/**/*.ts'],
  bundle: false,
  dts: { entry: ['src/index.ts', 'src/testing.ts'] },
})
