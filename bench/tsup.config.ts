import { defineConfig } from 'tsup'

export default defineConfig({
  entry: { engine: 'engine/main.ts' },
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
})
