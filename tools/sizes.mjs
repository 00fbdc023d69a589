// What imports of the browser packages cost, minified and compressed, against their budgets.
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
const KIB = 1_024

const budgets = [
  { names: 'Graph', from: '@gw/core', maxKib: 1.25 },
  { names: 'Graph, timer, count, simulate', from: '@gw/core', maxKib: 10.5 },
  { names: 'filterOf', from: '@gw/protocol', maxKib: 1 },
  { names: 'createClient', from: '@gw/client', maxKib: 8 },
  { names: 'liveState', from: '@gw/client/live-state', maxKib: 4 },
  { names: 'useLast, useLiveState', from: '@gw/client/react', maxKib: 5 },
  // Without zod, which the contract brings.
  { names: 'createClient', from: '@gw/client/validation', maxKib: 9 },
  { names: 'unix', from: '@gw/client/unix', maxKib: 2 },
  { names: 'sse', from: '@gw/client/sse', maxKib: 5 },
  { names: 'channelsOf', from: '@gw/client/describe', maxKib: 2 },
]

let isOver = false
for (const { names, from, maxKib } of budgets) {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { ${names} } from '${from}'\nconsole.log(${names})`,
      resolveDir: join(ROOT, 'tests/packages'),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external: ['node:*', 'react', 'ws', 'zod'],
    // Bare imports of chunks without side effects are dropped, as they may be.
    logOverride: { 'ignored-bare-import': 'silent' },
    write: false,
  })
  const kib = gzipSync(outputFiles[0]?.contents ?? '').length / KIB
  isOver ||= kib > maxKib
  const verdict = kib > maxKib ? 'OVER' : 'ok  '
  console.log(`${verdict} ${kib.toFixed(2)} of ${maxKib} KiB  import { ${names} } from '${from}'`)
}
if (isOver) process.exitCode = 1
