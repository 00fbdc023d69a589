export { type ChannelExpectation, expectChannel, type Partly } from './expect-channel.js'
export { Harness, type HarnessInput, type HarnessOptions, startHarness } from './harness.js'
