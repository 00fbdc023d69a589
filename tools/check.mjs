// Everything that CI runs beside the tests, in one command. Runs all steps, then says which failed.
import { spawnSync } from 'node:child_process'

const steps = [
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
  ['types', 'turbo', 'run', 'typecheck', '--output-logs=errors-only'],
  ['builds', 'turbo', 'run', 'build', '--output-logs=errors-only'],
  ['package exports', 'turbo', 'run', 'lint:package', '--output-logs=errors-only'],
  ['dead code', 'knip'],
  ['sizes', 'node', 'tools/sizes.mjs'],
  ['changesets', 'node', 'tools/check-changesets.mjs'],
]

const failed = []
for (const [name, command, ...args] of steps) {
  const started = performance.now()
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  if (status !== 0) failed.push(name)
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`)
}
if (failed.length > 0) {
  console.error(`check failed: ${failed.join(', ')}`)
  process.exitCode = 1
}
