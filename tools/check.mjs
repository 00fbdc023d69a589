// Everything that CI runs beside the tests, in one command. Runs all steps, then says which failed.
import { spawnSync } from 'node:child_process'

const turbo = 'turbo run --output-logs=errors-only --continue=dependencies-successful'

const steps = {
  'format and lint': 'biome check --error-on-warnings .',
  types: `${turbo} typecheck typecheck:root`,
  builds: `${turbo} build`,
  'package exports': `${turbo} lint:package`,
  'dead code': 'knip --no-progress',
  sizes: 'node tools/sizes.mjs',
  changesets: 'node tools/check-changesets.mjs',
}

const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1' }
const failed = []
for (const [name, command] of Object.entries(steps)) {
  const started = performance.now()
  const { status } = spawnSync(command, { stdio: 'inherit', shell: true, env })
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  if (status !== 0) failed.push(name)
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`)
}
if (failed.length > 0) {
  console.error(`check failed: ${failed.join(', ')}`)
  process.exitCode = 1
}
