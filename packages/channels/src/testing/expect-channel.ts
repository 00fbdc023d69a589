import { AssertionError } from 'node:assert'
import { isoOf, type Tick, type Timestamp, timestampOf } from '@gw/core'
import type { AnyChannels, BasketName, ChannelName, KeyOf, ValueOf } from '@gw/protocol'
import type { AnswerOf } from '../live.js'
import { isEqual } from './equality.js'
import type { Harness } from './harness.js'

/** What can be expected of a channel: of its ticks since the harness was last reset. Asymmetric matchers are heeded. */
export interface ChannelExpectation<T> {
  /** The same, turned round. */
  readonly not: ChannelExpectation<T>
  /** It has ticked `times` times; without, at least once. */
  toHaveTicked(times?: number): void
  /** The value that ticked last equals `value`. */
  toHaveLast(value: T): void
  /** The value that ticked last has these fields, and maybe more. */
  toHaveLastMatching(fields: Partly<T>): void
  /** The number that ticked last differs by less than half a unit of the last of `digits`. @defaultValue 2 digits */
  toHaveLastCloseTo(value: number, digits?: number): void
  /** It has ticked these values, in order, and no others. */
  toHaveTickedValues(values: readonly T[]): void
  /** It has ticked these values at these times, in order, and no others. */
  toHaveTicks(ticks: readonly (readonly [time: Timestamp | string, value: T])[]): void
}

/** Some fields of a value, at any depth. */
export type Partly<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Partly<T[K]> }
    : T

/**
 * Says what is expected of a channel, or of one key of a basket; when it is not so, the error names the channel and shows what
 * has ticked. For vitest, whose reporter shows the difference, and any other runner.
 * @example `expectChannel(harness, 'orders').toHaveLastMatching({ symbol: 'AAPL' })`
 */
export function expectChannel<C extends AnyChannels, K extends ChannelName<C>>(
  harness: Harness<C>,
  channel: K,
): ChannelExpectation<AnswerOf<C, K>>
export function expectChannel<C extends AnyChannels, K extends BasketName<C>>(
  harness: Harness<C>,
  channel: K,
  key: KeyOf<C, K>,
): ChannelExpectation<ValueOf<C, K>>
export function expectChannel(
  harness: Harness<AnyChannels>,
  channel: string,
  key?: string,
): ChannelExpectation<unknown> {
  const ticks = harness.ticks(channel as never, key as never) as readonly Tick<unknown>[]
  const name = key === undefined ? `"${channel}"` : `"${channel}/${key}"`
  return expectation(name, ticks, false)
}

function expectation(
  name: string,
  ticks: readonly Tick<unknown>[],
  isNot: boolean,
): ChannelExpectation<unknown> {
  const check = (isSo: boolean, what: string, actual: unknown, expected: unknown): void => {
    if (isSo !== isNot) return
    throw new AssertionError({
      message: `channel ${name} is ${isNot ? 'not ' : ''}expected ${what}; it has ticked ${shown(ticks)}`,
      actual,
      expected,
      operator: isNot ? 'not' : 'is',
    })
  }
  const values = ticks.map(([, value]) => value)
  const last = values.at(-1)
  return {
    get not() {
      return expectation(name, ticks, !isNot)
    },
    toHaveTicked: (times) => {
      const isSo = times === undefined ? ticks.length > 0 : ticks.length === times
      const what = times === undefined ? 'to have ticked' : `to have ticked ${times} times`
      check(isSo, what, ticks.length, times)
    },
    toHaveLast: (value) => {
      const what = `to have ticked ${JSON.stringify(value)} last`
      check(ticks.length > 0 && isEqual(last, value), what, last, value)
    },
    toHaveLastMatching: (fields) => {
      const what = `to have ticked something with ${JSON.stringify(fields)} last`
      check(ticks.length > 0 && isEqual(last, fields, true), what, last, fields)
    },
    toHaveLastCloseTo: (value, digits = 2) => {
      const what = `to have ticked about ${value} last`
      const isSo =
        typeof last === 'number' && (last === value || Math.abs(last - value) < 10 ** -digits / 2)
      check(isSo, what, last, value)
    },
    toHaveTickedValues: (expected) => {
      check(
        isEqual(values, expected),
        `to have ticked ${JSON.stringify(expected)}`,
        values,
        expected,
      )
    },
    toHaveTicks: (expected) => {
      const timed = (of: readonly (readonly [Timestamp | string, unknown])[]): unknown[] =>
        of.map(([time, value]) => [
          typeof time === 'string' ? isoOf(timestampOf(time)) : isoOf(time),
          value,
        ])
      const actual = timed(ticks)
      const due = timed(expected)
      check(isEqual(actual, due), `to have ticked ${JSON.stringify(due)}`, actual, due)
    },
  }
}

const MOST_SHOWN = 10

function shown(ticks: readonly Tick<unknown>[]): string {
  if (ticks.length === 0) return 'nothing since the last reset'
  const texts = ticks
    .slice(-MOST_SHOWN)
    .map(([time, value]) => `${JSON.stringify(value)} at ${isoOf(time)}`)
  const more = ticks.length - texts.length
  return `${more > 0 ? `${more} more, ` : ''}${texts.join(', ')}`
}
