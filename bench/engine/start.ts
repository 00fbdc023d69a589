import { type Timestamp, timestampOf } from '@gw/core'

/** When the runs begin: at a time as large as real ones are, which JavaScript does not hold as a small integer. */
export const START: Timestamp = timestampOf('2020-01-01T00:00:00Z')
