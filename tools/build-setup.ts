import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const RUNNING = Symbol.for('gw.build')

/**
 * Builds packages and apps before the tests of a project that starts them as processes. Once a test run, however many
 * projects ask, and from turborepo's cache when nothing changed.
 */
export default function buildSetup(): Promise<void> {
  const shared = globalThis as { [RUNNING]?: Promise<void> }
  shared[RUNNING] ??= build()
  return shared[RUNNING]
}

function build(): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      join(ROOT, 'node_modules/.bin/turbo'),
      ['run', 'build', '--output-logs=errors-only'],
      {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
      },
    )
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    child.once('error', reject)
    child.once('exit', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`the build failed:\n${output}`))
    })
  })
}
