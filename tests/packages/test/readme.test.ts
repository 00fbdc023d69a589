import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { typeProblems } from './types.js'
import { PACKAGES, ROOT, runAsync } from './workspace.js'

/** Inside the workspace, so that the packages are found; not under version control. */
const FOLDER = join(import.meta.dirname, '../.readme')

/** A fenced TypeScript block, with what it prints when a `text` block follows it. */
interface Example {
  readonly path: string
  readonly code: string
  readonly output: string | undefined
}

const examples = new Map(
  [
    ['root', 'README.md'] as const,
    ['docs-modules', 'docs/modules.md'] as const,
    ...PACKAGES.map((it) => [it, `packages/${it}/README.md`] as const),
  ].map(
    ([name, readme]) => [name, examplesOf(name, readFileSync(join(ROOT, readme), 'utf8'))] as const,
  ),
)
let problems: ReadonlyMap<string, readonly string[]>

beforeAll(() => {
  rmSync(FOLDER, { recursive: true, force: true })
  const all = Array.from(examples.values()).flat()
  for (const { path, code } of all) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
  }
  const files = all.map((it) => it.path)
  // A fragment may show a value without using it.
  problems = typeProblems(files, { noUnusedLocals: false })
})

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }))

test("the root's README shows a contract, a server and a client", () => {
  const names = examples.get('root')?.map((it) => it.path.slice(join(FOLDER, 'root/').length))
  expect(names).toEqual(['contract.ts', 'server.ts', 'client.ts'])
})

describe.each(Array.from(examples))('the page of %s', (_name, its) => {
  test('has TypeScript that type-checks as it stands', () => {
    expect(its.length).toBeGreaterThan(0)
    expect(its.flatMap((it) => problems.get(it.path) ?? [])).toEqual([])
  })

  test('has programs that print what it says', async () => {
    for (const { path, code, output } of its) {
      if (output === undefined) continue
      const program = path.replace(/\.ts$/, '.mjs')
      writeFileSync(program, (await transform(code, { loader: 'ts', format: 'esm' })).code)
      expect(await runAsync('node', [program], FOLDER)).toBe(output)
    }
  })
})

function examplesOf(folder: string, readme: string): Example[] {
  const blocks = readme.matchAll(/^```ts *(\S*)\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?/gms)
  return Array.from(blocks, ([, name, code = '', output], index) => ({
    path: join(FOLDER, folder, name || `example-${index}.ts`),
    code,
    output,
  }))
}
