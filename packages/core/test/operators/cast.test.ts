import { constant, dynamicCast, Graph, staticCast } from '@gw/core'
import { replay } from '@gw/core/testing'
import { expect, test } from 'vitest'

const isText = (value: unknown): value is string => typeof value === 'string'

test('a static cast is the same edge', () => {
  const x = constant<string | number>(new Graph(), 'a')
  expect(staticCast<string, string | number>(x)).toBe(x)
})

test('a dynamic cast passes what is of the type', () => {
  expect(replay<unknown, string>(['a', 'b'], (x) => dynamicCast(x, isText))).toEqual(['a', 'b'])
})

test('a dynamic cast ends the run at another type', () => {
  expect(() => replay<unknown, string>(['a', 3], (x) => dynamicCast(x, isText))).toThrow(
    expect.objectContaining({ code: 'NODE_FAILED', cause: expect.any(TypeError), time: 1 }),
  )
})
