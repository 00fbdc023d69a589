import { defineConfig } from 'tsup'
import { shared } from '../tsup.shared.js'

export default defineConfig({
  ...shared,
  entry: { engine: 'engine/main.ts', state: 'state/main.ts' },
  tsconfig: 'tsconfig.json',
})
