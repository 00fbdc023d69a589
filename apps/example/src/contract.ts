import { basket, channel, defineChannels, field, struct } from '@gw/channels'
import { z } from 'zod'

const STARTED_AT = new Date().toISOString()
/** Records that each state keeps; a run under load would fill the memory otherwise. */
const MAX_RECORDS = 100_000

const Inner = z.object({ z: z.int().default(12) })

/** The record of most channels. `type_` is the class that the reference's Python client makes of it. */
export const ExampleData = struct('ExampleData', {
  x: z
    .int()
    .refine((x) => x >= 0, 'value must be non-negative.')
    .nullish(),
  y: z.string().default(''),
  z: z.string().default(''),
  internal_csp_struct: Inner.default({ z: 12 }),
  data: z.array(z.number()).default([]),
  mapping: z.record(z.string(), z.int()).default({}),
  dt: z.iso.datetime({ offset: true, local: true }).default(STARTED_AT),
  d: z.iso.date().default(STARTED_AT.slice(0, 10)),
}).meta({ type_: 'csp_gateway.server.demo.omnibus.ExampleData' })

/** A request to the gateway itself, and its answer. */
const Controls = struct('Controls', {
  name: z.string().default('none'),
  status: z.string().default('none'),
  data: z.record(z.string(), z.unknown()).default({}),
  data_str: z.string().default(''),
}).meta({ type_: 'csp_gateway.utils.web.controls.Controls' })

/** The channels of the reference's example gateway. */
export const channels = defineChannels({
  example: channel(ExampleData, {
    send: true,
    stage: true,
    state: { by: 'id', maxRecords: MAX_RECORDS },
    doc: 'The record of each tick; it can be sent to, staged and queried by id.',
  }),
  example_list: channel(z.array(ExampleData)),
  never_ticks: channel(ExampleData, { required: false }),
  example_with_state: channel(ExampleData, { state: { by: ['id', 'x'], maxRecords: MAX_RECORDS } }),
  example_with_state_multiple: channel(ExampleData, {
    state: [
      { by: ['id', 'x'], maxRecords: MAX_RECORDS },
      { by: ['id', 'y'], alias: 'example_with_state_alternative', maxRecords: MAX_RECORDS },
    ],
  }),
  example_with_stage: channel(ExampleData, { stage: true }),
  basket: basket(['A', 'B', 'C'], ExampleData, { send: true }),
  str_basket: basket(['a', 'b', 'c'], ExampleData),
  controls: channel(Controls, { required: false }),
  metadata: field(z.object({ name: z.string() }), { name: 'Demo' }),
})

export type ExampleChannels = (typeof channels)['channels']
