#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { runCommand } from './cli.js'

process.exitCode = runCommand(process.argv.slice(2), {
  env: process.env,
  stdin: () => readFileSync(0, 'utf8'),
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
})
