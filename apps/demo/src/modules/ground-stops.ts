import { defineModule, type Module } from '@gw/channels'
import { channels, type DemoChannels } from '@gw-apps/demo-contract'

/** Takes operators' ground stops from outside, directly or staged first. */
export const groundStops: Module<DemoChannels> = defineModule(channels, 'groundStops', (c) => {
  c.addSendChannel('groundStops')
  c.setStage('groundStops')
})
