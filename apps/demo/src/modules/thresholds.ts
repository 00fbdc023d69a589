import { defineModule, type Module } from '@gw/channels'
import { constant, node } from '@gw/core'
import { channels, DEFAULT_THRESHOLD, type DemoChannels, Threshold } from '@gw-apps/demo-contract'

/** Sets the threshold that holds for all airports until others are sent. */
export const thresholds: Module<DemoChannels> = defineModule(channels, 'thresholds', (c) => {
  const start = constant(c.graph, DEFAULT_THRESHOLD)
  c.setChannel(
    'thresholds',
    node(
      'default',
      { start },
      ({ start }, context) =>
        () =>
          Threshold.make(context, { airport: '*', minutes: start.value }),
    ),
  )
})
