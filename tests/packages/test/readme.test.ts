import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, expect, test } from 'vitest'
import { ROOT } from './workspace.js'

/** Inside the workspace, so that the packages are found; not under version control. */
const FOLDER = join(import.meta.dirname, '../.readme')

afterAll(() => rmSync(FOLDER, { recursive: true, force: true }))

test("the code in the root's README type-checks as it stands", () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const files = Array.from(
    readme.matchAll(/```ts (\S+)\n(.*?)```/gs),
    ([, name = '', code = '']) => {
      mkdirSync(FOLDER, { recursive: true })
      const path = join(FOLDER, name)
      writeFileSync(path, code)
      return path
    },
  )
  expect(files.map((path) => path.slice(FOLDER.length + 1))).toEqual([
    'contract.ts',
    'server.ts',
    'client.ts',
  ])
  expect(problemsOf(files)).toEqual([])
})

function problemsOf(files: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT)
  const program = ts.createProgram([...files], { ...options, declaration: false })
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      (it) =>
        `${it.file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(it.messageText, '\n')}`,
    )
}
