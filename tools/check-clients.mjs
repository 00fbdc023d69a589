// What other people's clients make of the example gateway: csp-gateway's own Python client in all its calls, without a key
// and with one, and schemathesis, which fuzzes what the OpenAPI document says. Needs Python 3.10 or newer; what it installs
// from PyPI stays in node_modules/.cache. Arguments choose among `client` and `fuzz`; --examples N is for each operation.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const ROOT = join(import.meta.dirname, '..')
const CLIENT_CHECK = join(ROOT, 'packages/server-hono/test/python/check_client.py')
const EXAMPLE = join(ROOT, 'apps/example/dist/main.js')
const ENVIRONMENTS = join(ROOT, 'node_modules/.cache/gw-python')
const KEY = 'the-key-of-the-check'

const { values, positionals } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  allowPositionals: true,
  options: { examples: { type: 'string', default: '50' } },
})
const wanted = positionals.length > 0 ? positionals : ['client', 'fuzz']

/**
 * Whether a program ends well; one that is not there does not.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {'inherit' | 'ignore'} stdio
 */
async function run(command, args, stdio = 'inherit') {
  // What programs leave where they run is no part of the repository.
  const child = spawn(command, args, { stdio, cwd: ENVIRONMENTS })
  try {
    const [code] = await once(child, 'close')
    return code === 0
  } catch {
    return false
  }
}

/**
 * Path of a program in an environment that has the packages, made on first use.
 * @param {string} name
 * @param {readonly string[]} packages
 */
async function environment(name, packages) {
  const bin = join(ENVIRONMENTS, name, 'bin')
  const python = join(bin, 'python')
  const isThere =
    existsSync(python) || (await run('python3', ['-m', 'venv', join(ENVIRONMENTS, name)]))
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
  if (!isThere || !(await run(python, install))) {
    throw new Error(`${packages.join(', ')} could not be installed`)
  }
  return (/** @type {string} */ program) => join(bin, program)
}

/**
 * Runs the example gateway on a free port while `use` does its work.
 * @param {readonly string[]} args
 * @param {(url: string) => Promise<boolean>} use
 */
async function withExample(args, use) {
  const child = spawn(process.execPath, [EXAMPLE, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    let output = ''
    for await (const chunk of child.stdout) {
      output += String(chunk)
      const [url] = /http:\/\/[\d.]+:\d+/.exec(output) ?? []
      if (url !== undefined) return await use(url)
    }
    throw new Error('the example gateway has not started')
  } finally {
    child.kill()
  }
}

async function checkClient() {
  const packages = ['csp-gateway==3.0.0', 'pandas', 'polars', 'aiohttp', 'aiostream']
  const bin = await environment('client', packages)
  /** @type {(args: readonly string[], key: readonly string[]) => Promise<boolean>} */
  const check = (args, key) =>
    withExample(args, (url) => run(bin('python'), [CLIENT_CHECK, new URL(url).port, ...key]))
  const results = [await check([], []), await check(['--api-key', KEY], [KEY])]
  return results.every((isGood) => isGood)
}

const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_schema_conformance',
  'response_headers_conformance',
  'unsupported_method',
]

async function fuzz() {
  const bin = await environment('fuzz', ['schemathesis>=4', 'openapi-spec-validator'])
  /** @type {(url: string, ...args: readonly string[]) => Promise<boolean>} */
  const schemathesis = (url, ...args) =>
    run(bin('schemathesis'), [
      ...['run', `${url}/openapi.json`, '--checks', CHECKS.join(','), '--request-timeout', '30'],
      ...['--max-examples', values.examples, '--suppress-health-check', 'all'],
      // It would stop what is looked at.
      ...['--exclude-path', '/api/v1/controls/shutdown', ...args],
    ])
  return withExample(['--interval', '25'], async (url) => {
    const document = join(ENVIRONMENTS, 'openapi.json')
    writeFileSync(document, await (await fetch(`${url}/openapi.json`)).text())
    if (!(await run(bin('openapi-spec-validator'), [document]))) return false
    // The only channel that ticks when it is asked to, and so would never answer `next`.
    const tick = () => fetch(`${url}/api/v1/controls/heartbeat`).catch(() => undefined)
    const ticks = setInterval(tick, 50)
    try {
      // A wait that is cut short is answered 504, as documented: what waits is given time that makes sense.
      const results = [
        await schemathesis(url, '--exclude-path-regex', '/next/'),
        await schemathesis(url, '--include-path-regex', '/next/', '--mode', 'positive'),
      ]
      return results.every((isGood) => isGood)
    } finally {
      clearInterval(ticks)
    }
  })
}

const checks = new Map([
  ['client', checkClient],
  ['fuzz', fuzz],
])
mkdirSync(ENVIRONMENTS, { recursive: true })
if (!(await run('python3', ['--version'], 'ignore'))) {
  console.log('skipped: there is no python3 on the path')
} else {
  for (const name of wanted) {
    const isGood = await checks.get(name)?.()
    console.log(`${isGood === true ? 'ok  ' : 'FAIL'} ${name}`)
    if (isGood !== true) process.exitCode = 1
  }
}
