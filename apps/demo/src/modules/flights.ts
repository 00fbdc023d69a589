import type { Module } from '@gw/channels'
import { type Cursor, node, pull, type Timestamp } from '@gw/core'
import { type DemoChannels, Departure } from '@gw-apps/demo-contract'
import type { DepartureRow, FlightsFile } from '../data/flights.js'
import { RepeatingCursor } from '../data/repeating-cursor.js'

/** Options of {@link flights}. */
export interface FlightsOptions {
  /** First departure to replay. @defaultValue the file's first */
  readonly from?: Timestamp
  /** Rows to replay. @defaultValue all */
  readonly rows?: number
  /** After the last row: nothing more, or all over again, with times shifted by the data's span. @defaultValue 'stop' */
  readonly atEnd?: 'stop' | 'loop'
  /** Called when the last row has been read; never with `loop`. */
  readonly onEnd?: () => void
}

/** Replays the departures of a file, each in a cycle of its own. */
export function flights(file: FlightsFile, options: FlightsOptions = {}): Module<DemoChannels> {
  return {
    name: 'flights',
    connect(c) {
      const rows = pull<DepartureRow>(
        c.graph,
        'departures',
        (): Cursor<DepartureRow> =>
          options.atEnd === 'loop' ? new RepeatingCursor(file, options) : file.cursor(options),
      )
      const departures = node(
        'departure',
        { rows },
        ({ rows }, context) =>
          () =>
            Departure.make(context, rows.value),
      )
      c.setChannel('flights', departures)
    },
  }
}
