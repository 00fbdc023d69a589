#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { runCommand } from './cli.js'

const abort = new AbortController()
process.once('SIGINT', () => abort.abort(130))
process.once('SIGTERM', () => abort.abort(143))
// Whoever reads us, such as head, has enough.
process.stdout.on('error', () => process.exit(0))

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  isInteractive: process.stdout.isTTY === true,
  signal: abort.signal,
  stdin: () => createInterface({ input: process.stdin }),
  readFile: (path) => readFileSync(path, 'utf8'),
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
})
process.stdin.destroy()
// A farewell that a dead peer does not answer holds nobody up.
setTimeout(() => process.exit(), 500).unref()
