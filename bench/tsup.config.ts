import { defineConfig } from 'tsup'
import { shared } from '../tsup.shared.js'

export default defineConfig({
  ...shared,
  entry: {
    engine: 'engine/main.ts',
    'engine-heap': 'engine/heap.ts',
    'engine-keys': 'engine/keys.ts',
    'engine-scenario': 'engine/scenario.ts',
    'engine-size': 'engine/size.ts',
    kafka: 'kafka/main.ts',
    'kafka-restore': 'kafka/restore-process.ts',
    'kafka-worker': 'kafka/worker.ts',
    rest: 'rest/main.ts',
    'rest-server': 'rest/server.ts',
    rows: 'rows/main.ts',
    'rows-server': 'rows/server.ts',
    state: 'state/main.ts',
    ws: 'ws/main.ts',
    'ws-server': 'ws/server.ts',
  },
  tsconfig: 'tsconfig.json',
})
