import { struct } from '@gw/channels'
import { z } from 'zod'

const airport = z.string().regex(/^[A-Z0-9]{3}$/, 'a three-letter airport code, in capitals')
const airportOrAll = z.union([airport, z.literal('*')])
const count = z.int().nonnegative()

/** A departure as it happened. */
export const Departure = struct('Departure', {
  origin: airport,
  destination: airport,
  /** Minutes; negative when it left early. */
  delay: z.int(),
  /** Miles. */
  distance: z.int().nonnegative(),
  /** ISO 8601. */
  scheduled: z.iso.datetime(),
})
export type Departure = z.output<typeof Departure>

/** What an airport's board shows after its last departure. */
export const Airport = struct('Airport', {
  airport,
  name: z.string(),
  city: z.string(),
  state: z.string(),
  latitude: z.number().nullable(),
  longitude: z.number().nullable(),
  departures: count,
  /** Departures that were 15 minutes late or more. */
  delayed: count,
  /** Mean delay of the last 50 departures, in minutes. */
  meanDelay: z.number(),
  /** 95th percentile of the delay of the last 50 departures, in minutes, linear between ranks. */
  p95Delay: z.number(),
})
export type Airport = z.output<typeof Airport>

/** The whole network, so far and over the last six hours. */
export const Network = struct('Network', {
  departures: count,
  delayed: count,
  /** Over the last six hours, in minutes. */
  meanDelay: z.number(),
  medianDelay: z.number(),
  /** Over the last six hours. */
  departuresPerHour: z.number(),
  /** Airport with the highest mean delay among those with 10 departures or more; null before there is one. */
  worstAirport: airport.nullable(),
  worstMeanDelay: z.number().nullable(),
})
export type Network = z.output<typeof Network>

/** From which mean delay on an airport is in alert. */
export const Threshold = struct('Threshold', {
  airport: airportOrAll.default('*'),
  /** Minutes. */
  minutes: z.int().nonnegative(),
})
export type Threshold = z.output<typeof Threshold>

/** An airport went into alert, or out of it. */
export const Alert = struct('Alert', {
  airport,
  status: z.enum(['raised', 'cleared']),
  /** Mean delay of the last 50 departures, in whole minutes, rounded down. */
  meanDelay: z.int(),
  /** Threshold in force, in minutes. */
  threshold: z.int(),
  /** Whether an operator stopped the airport. */
  acknowledged: z.boolean(),
})
export type Alert = z.output<typeof Alert>

/** An operator's stop of an airport; a second one with `active: false` ends it. */
export const GroundStop = struct('GroundStop', {
  airport,
  reason: z.string().default(''),
  active: z.boolean().default(true),
})
export type GroundStop = z.output<typeof GroundStop>

/** How the process does. */
export const Host = struct('Host', {
  /** Percent of one core. */
  cpu: z.number(),
  memoryMiB: z.number(),
  /** 99th percentile of the event loop's delay over the last second, in milliseconds. */
  eventLoopDelayMs: z.number(),
  cyclesPerSecond: z.number(),
})
export type Host = z.output<typeof Host>
