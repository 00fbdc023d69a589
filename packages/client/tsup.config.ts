import { defineConfig } from 'tsup'
import { shared } from '../../tsup.shared.js'

export default defineConfig({
  ...shared,
  entry: [
    'src/index.ts',
    'src/bin.ts',
    'src/describe.ts',
    'src/live-state.ts',
    'src/react.ts',
    'src/sse.ts',
    'src/unix.ts',
    'src/validation.ts',
  ],
  dts: true,
})
