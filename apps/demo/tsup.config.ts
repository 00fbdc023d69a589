import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    main: 'src/main.ts',
    backtest: 'src/backtest.ts',
    // A thread of its own, found beside the program.
    'row-group-worker': 'src/data/row-group-worker.ts',
  },
  format: ['esm'],
  target: 'node20',
  dts: false,
  sourcemap: true,
  clean: true,
  tsconfig: 'tsconfig.src.json',
})
