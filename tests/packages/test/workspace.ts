import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Root of the repository. */
export const ROOT: string = resolve(import.meta.dirname, '../../..')

/** Published packages, in the order in which they depend on each other. */
export const PACKAGES = [
  'core',
  'protocol',
  'channels',
  'server-hono',
  'auth-apikey',
  'auth-oidc',
  'kafka',
  'client',
  'mcp',
] as const

/** The parts of a manifest that the tests look at. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly sideEffects?: boolean
  readonly files?: readonly string[]
  readonly repository?: { readonly directory: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** Runs a command to its end and gives its stdout. @throws Error with everything it printed when it fails. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    // Settings of the package manager that runs the tests do not concern a project outside of the workspace.
    env: { ...withoutSettings(process.env), ...env },
    maxBuffer: 64 * 2 ** 20,
  })
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !/^(npm_|pnpm_|NODE_ENV|VITEST|INIT_CWD|NODE_OPTIONS)/i.test(name),
    ),
  )
}

/** An empty folder outside of the workspace, and what removes it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'gw-packages-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Packs all packages as they are published. @returns the paths of the tarballs, by full name. */
export function packAll(into: string): Map<string, string> {
  const pnpm = ['-y', 'pnpm@12', '-r', '--filter', './packages/*']
  run('npx', [...pnpm, 'pack', '--pack-destination', into], ROOT)
  const written = readdirSync(into)
  return new Map(
    PACKAGES.map((folder) => {
      const { name, version } = manifestOf(join(ROOT, 'packages', folder))
      const file = `${name.slice(1).replace('/', '-')}-${version}.tgz`
      if (!written.includes(file)) throw new Error(`pnpm pack made no ${file} in ${into}`)
      return [name, join(into, file)]
    }),
  )
}

/** As {@link run}, leaving this process free to answer the command. */
export function runAsync(command: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: withoutSettings(process.env) })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.once('error', reject)
    child.once('close', (status) => {
      if (status === 0) resolve(stdout)
      else
        reject(new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`))
    })
  })
}
