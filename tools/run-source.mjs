// Runs a TypeScript program of this repository from the sources: node tools/run-source.mjs FILE [arguments of the program]
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
const [entry, ...rest] = process.argv.slice(2)
if (entry === undefined) throw new Error('name the program: node tools/run-source.mjs FILE')
// Beside the modules that it does not bundle.
const folder = mkdtempSync(join(ROOT, 'node_modules/.gw-run-'))
const outfile = join(folder, 'program.mjs')
await build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['@gw/source', 'module', 'node'],
  // kafkajs is CommonJS and requires what is built into Node.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  external: ['esbuild'],
  logLevel: 'error',
})
const child = spawn(process.execPath, [outfile, ...rest], { cwd: ROOT, stdio: 'inherit' })
process.on('SIGINT', () => child.kill('SIGINT'))
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code) => {
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = code ?? 1
})
