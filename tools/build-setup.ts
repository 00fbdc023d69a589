import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
// Loads the module that is augmented below.
import type {} from 'vitest'
import type { TestProject } from 'vitest/node'

const ROOT = resolve(import.meta.dirname, '..')
const RUNNING = Symbol.for('gw.build')

declare module 'vitest' {
  export interface ProvidedContext {
    /** What the build before the tests printed when it failed; empty when all is built. */
    buildFailure: string
  }
}

/**
 * Builds packages and apps before the tests of a project that starts them as processes. Once a test run, however many
 * projects ask, and from turborepo's cache when nothing changed. A failure does not keep the other tests from running:
 * it is told here, and a test of its own fails.
 */
export default async function buildSetup(project: TestProject): Promise<void> {
  const shared = globalThis as { [RUNNING]?: Promise<string> }
  shared[RUNNING] ??= build()
  project.provide('buildFailure', await shared[RUNNING])
}

function build(): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      join(ROOT, 'node_modules/.bin/turbo'),
      ['run', 'build', '--output-logs=errors-only', '--continue=dependencies-successful'],
      {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
      },
    )
    let output = ''
    const collect = (chunk: Buffer): void => {
      output += chunk
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) return resolve('')
      console.error(`the build before the tests failed:\n${output}`)
      resolve(output)
    })
  })
}
