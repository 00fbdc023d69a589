// One of several gateways that share a topic: begins when it is told to, and says how many ticks it has had.
import { startGateway } from './gateway.js'

const [broker = '', topic = '', groupId = ''] = process.argv.slice(2)
const { gateway, module, ticks } = await startGateway({
  brokers: [broker],
  subscribe: { orders: { [topic]: '' } },
  groupId,
})
module.pause(topic)
let told = 0
const timer = setInterval(() => {
  if (ticks.count !== told) tell()
  told = ticks.count
}, 10)
let cpu = process.cpuUsage()

function tell(): void {
  const { user, system } = process.cpuUsage(cpu)
  process.send?.({ ticks: ticks.count, cpuMs: (user + system) / 1_000 })
}

process.on('message', (message) => {
  if (message === 'go') {
    cpu = process.cpuUsage()
    module.resume(topic)
    return
  }
  clearInterval(timer)
  void gateway.stop().then(() => process.disconnect())
})
