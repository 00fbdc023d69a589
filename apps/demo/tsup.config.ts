import { defineConfig } from 'tsup'
import { shared } from '../../tsup.shared.js'

export default defineConfig({
  ...shared,
  entry: {
    main: 'src/main.ts',
    backtest: 'src/backtest.ts',
    // A thread of its own, found beside the program.
    'row-group-worker': 'src/data/row-group-worker.ts',
  },
})
