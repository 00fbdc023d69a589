import type { BasketView, Edge, Graph, Input } from '@gw/core'
import { ChannelLog, type LogBook } from './channel-log.js'
import type { Slot, WiredChannel } from './wired-channel.js'

/** Providers that are no modules. */
const OUTSIDE: readonly string[] = ['send', 'stage', 'deadLetters', 'resend']

/** Lets the logs see what ticks on every channel: a counter a tick, and no more unless somebody is interested. */
export function tapChannels(
  graph: Graph,
  channels: ReadonlyMap<string, WiredChannel>,
  book: LogBook,
): void {
  for (const channel of channels.values()) {
    const log = new ChannelLog(
      channel.name,
      channel.definition.kind,
      channel.definition.schema,
      book,
    )
    channel.log = log
    for (const slot of channel.allSlots) {
      if (!channel.isDynamic) slot.keyLog = log.keyLog(slot.key)
      if (!slot.isProvided) continue
      // A tick that JSON cannot carry is an error of the module that set it.
      const scope = slot.providers.find(({ party }) => !isOutside(party))?.party ?? 'gateway'
      graph.scope(scope, () => {
        if (channel.isDynamic) tapBasket(graph, slot, log)
        else tapSlot(graph, slot, log)
      })
    }
  }
}

function isOutside(party: string): boolean {
  return OUTSIDE.includes(party)
}

function tapSlot(graph: Graph, slot: Slot, log: ChannelLog): void {
  const keyLog = log.keyLog(slot.key)
  graph.add({
    name: `channel ${slot.name}`,
    inputs: [slot.edge],
    outputs: 0,
    setup: ([input], _outputs, context) => {
      const source = input as Input<unknown>
      const afterCycle = context.afterCycle.bind(context)
      keyLog.input = source
      return () => {
        keyLog.offset++
        log.total++
        if (log.isObserved) log.observe(keyLog, source.value, context.now, false, afterCycle)
      }
    },
  })
}

function tapBasket(graph: Graph, slot: Slot, log: ChannelLog): void {
  graph.add({
    name: `channel ${slot.name}`,
    inputs: [slot.edge as Edge<BasketView<string, unknown>>],
    outputs: 0,
    setup: ([input], _outputs, context) => {
      const basket = input as Input<BasketView<string, unknown>>
      slot.basket = basket
      const afterCycle = context.afterCycle.bind(context)
      return () => {
        const { value: view } = basket
        const { now } = context
        for (const key of view.removed) {
          const keyLog = log.find(key)
          if (keyLog === undefined) continue
          keyLog.offset++
          log.total++
          if (log.isObserved) log.observe(keyLog, keyLog.value, now, true, afterCycle)
          log.remove(keyLog)
        }
        let failure: { readonly error: unknown } | undefined
        for (const key of view.ticked) {
          const keyLog = log.keyLog(key)
          const value = view.get(key)
          keyLog.offset++
          log.total++
          try {
            if (log.isObserved) log.observe(keyLog, value, now, false, afterCycle)
            keyLog.value = value
            keyLog.time = now
          } catch (error) {
            // The other keys are not at fault.
            failure ??= { error }
          }
        }
        if (failure !== undefined) throw failure.error
      }
    },
  })
}
