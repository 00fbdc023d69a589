import { defineConfig } from 'tsup'
import { shared } from '../../tsup.shared.js'

export default defineConfig({
  ...shared,
  entry: {
    index: 'src/index.ts',
    modules: 'src/modules/index.ts',
    testing: 'src/testing/index.ts',
  },
  dts: true,
})
