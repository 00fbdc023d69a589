import type { Options } from 'tsup'

/** What the builds of all packages and apps share. */
export const shared: Options = {
  format: ['esm'],
  target: 'node20',
  sourcemap: true,
  clean: true,
  // Bundlers for browsers tell Node's modules by `node:`.
  removeNodeProtocol: false,
  tsconfig: 'tsconfig.src.json',
}
