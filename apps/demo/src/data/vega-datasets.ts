import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'

/** Path of a data file of the package `vega-datasets`, which exports only its code. */
export function dataFile(name: string): string {
  return resolve(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data', name)
}
