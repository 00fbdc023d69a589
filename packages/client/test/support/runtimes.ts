import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Kept between runs. */
const FOLDER = join(import.meta.dirname, '../../node_modules/.cache/runtimes')

/** Runtimes, by the package of npm that carries them, with how they run a program. */
export const RUNTIMES = {
  'Node 24': { packageName: 'node-24@npm:node@24', command: ['node_modules/node-24/bin/node'] },
  Deno: { packageName: 'deno@2', command: ['node_modules/.bin/deno', 'run', '--allow-all'] },
  Bun: { packageName: 'bun@1', command: ['node_modules/.bin/bun'] },
} as const

/** The command of a runtime, installed when it is not there; `undefined`, after a word on why, where that fails. */
export function commandOf(name: keyof typeof RUNTIMES): readonly string[] | undefined {
  const { packageName, command } = RUNTIMES[name]
  const [binary, ...args] = command
  const path = join(FOLDER, name.replace(' ', '-'), binary)
  try {
    if (!existsSync(path)) install(join(FOLDER, name.replace(' ', '-')), packageName)
    execFileSync(path, ['--version'], { stdio: 'pipe' })
    return [path, ...args]
  } catch {
    console.warn(
      `${name} is not tested: "npm install ${packageName}" gives no program that runs here`,
    )
    return undefined
  }
}

function install(folder: string, packageName: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', packageName], {
    cwd: folder,
    stdio: 'pipe',
    timeout: 120_000,
  })
}
