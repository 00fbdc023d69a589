import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/live-state.ts', 'src/react.ts', 'src/unix.ts', 'src/validation.ts'],
  format: ['esm'],
  target: 'node20',
  dts: true,
  sourcemap: true,
  clean: true,
  tsconfig: 'tsconfig.src.json',
})
