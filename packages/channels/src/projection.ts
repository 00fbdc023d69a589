import { stepsOf } from '@gw/protocol'
import type { z } from 'zod'
import { checkPath, invalid, isObject } from './filter.js'
import { readerOf } from './paths.js'

/** Keeps the paths that `select` of a query names; a nested one keeps its place. @throws ChannelsError `INVALID_QUERY`. */
export function projectionOf(
  select: unknown,
  schema: z.core.$ZodType,
): (record: unknown) => unknown {
  if (!Array.isArray(select)) throw invalid('select is a list of paths')
  for (const path of select) checkPath(schema, path)
  const selected = new Map(select.map((path: string) => [JSON.stringify(stepsOf(path)), path]))
  const paths = [...selected.values()]
    .map((path) => ({ steps: stepsOf(path), read: readerOf(path) }))
    // What lies inside of something that is kept is kept with it.
    .filter(
      ({ steps }) =>
        !steps.some((_, i) => i > 0 && selected.has(JSON.stringify(steps.slice(0, i)))),
    )
  return (record) => {
    const kept: Record<string, unknown> = {}
    for (const { steps, read } of paths) {
      const value = read(record)
      if (value === undefined) continue
      let place = kept
      for (const step of steps.slice(0, -1)) {
        const inner = Object.hasOwn(place, step) ? place[step] : undefined
        place = (isObject(inner) ? inner : put(place, step, {})) as Record<string, unknown>
      }
      put(place, steps.at(-1) as string, value)
    }
    return kept
  }
}

/** A map's key may be `__proto__`; assigning it would not make a field. */
function put(place: Record<string, unknown>, key: string, value: unknown): unknown {
  Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true })
  return value
}
