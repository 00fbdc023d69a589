import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { casesOf } from './case.js'
import { checkCase } from './run-case.js'

const file = process.argv[2]
if (file === undefined) {
  console.error('usage: pnpm engine:cases FILE.json')
  process.exit(1)
}

let passed = 0
let failed = 0
for (const each of casesOf(readFileSync(resolve(process.env.INIT_CWD ?? '', file), 'utf8'))) {
  const why = checkCase(each)
  if (why === undefined) passed++
  else failed++
  console.log(why === undefined ? `ok ${each.name}` : `FAIL ${each.name}: ${why}`)
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
