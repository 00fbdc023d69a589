// What an import of each browser package costs, minified and compressed, against its budget.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const KIB = 1_024
const budgets = [
  { import: "import { createClient } from '@gw/client'", maxBytes: 8 * KIB, use: 'createClient' },
  { import: "import { Graph } from '@gw/core'", maxBytes: 2 * KIB, use: 'Graph' },
  {
    import: "import { Graph, timer, count, simulate } from '@gw/core'",
    maxBytes: 8 * KIB,
    use: 'Graph, timer, count, simulate',
  },
  { import: "import { queryOf } from '@gw/protocol'", maxBytes: 2 * KIB, use: 'queryOf' },
]

let failed = false
for (const { import: code, maxBytes, use } of budgets) {
  const { outputFiles } = await build({
    stdin: {
      contents: `${code}\nconsole.log(${use})`,
      resolveDir: `${import.meta.dirname}/../tests/packages`,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external: ['ws'],
    write: false,
  })
  const bytes = gzipSync(outputFiles[0]?.contents ?? '').length
  const over = bytes > maxBytes
  failed ||= over
  console.log(
    `${over ? 'OVER' : 'ok  '} ${(bytes / KIB).toFixed(2)} of ${maxBytes / KIB} KiB  ${code}`,
  )
}
if (failed) process.exitCode = 1
