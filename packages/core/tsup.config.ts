import { defineConfig } from 'tsup'

export default defineConfig({
  // A file for a file: bundled, `export * as stats` would keep all statistics in every program that imports anything.
  entry: ['src/**/*.ts'],
  bundle: false,
  format: ['esm'],
  target: 'node20',
  dts: { entry: ['src/index.ts', 'src/testing.ts'] },
  sourcemap: true,
  clean: true,
  tsconfig: 'tsconfig.src.json',
})
