import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from './workspace.js'

/** What the compiler says about files, with the workspace's settings and the given ones, by file. */
export function typeProblems(
  files: readonly string[],
  options: ts.CompilerOptions,
): Map<string, string[]> {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), ts.sys.readFile)
  const base = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT).options
  const program = ts.createProgram(files, { ...base, declaration: false, ...options })
  const found = new Map<string, string[]>()
  for (const { file, messageText, start = 0 } of ts.getPreEmitDiagnostics(program)) {
    const line = file === undefined ? '' : file.text.slice(0, start).split('\n').length
    const text = `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    const path = file?.fileName ?? ''
    found.set(path, [...(found.get(path) ?? []), text])
  }
  return found
}
