/** Minutes from which on a departure counts as delayed. */
export const DELAYED_FROM = 15

/** Departures that an airport's mean and percentile look back on. */
export const RECENT = 50

/** Departures from which on an airport's mean delay says something. */
export const MIN_DEPARTURES = 10

/** Minutes of mean delay from which on an airport is in alert, unless a threshold was sent. */
export const DEFAULT_THRESHOLD = 45
