import { build } from 'esbuild'

/** Bundles a program of this repository from its sources into one file that Node runs. */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@gw/source', 'module', 'node'],
    // kafkajs is CommonJS and requires what is built into Node.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    external: ['esbuild'],
    logLevel: 'error',
  })
}
