import { type DynamicBasket, type Edge, node } from '@gw/core'
import type { StateStore } from './state.js'
import type { WiredChannel } from './wired-channel.js'

/** Ticks a state whenever it has taken in what ticked on its channel; of a basket, on all keys or on the one named. */
export function stateNode(
  name: string,
  channel: WiredChannel,
  store: StateStore<unknown>,
  key: string | undefined,
): Edge<StateStore<unknown>> {
  const slots = channel.allSlots.filter(
    (slot) => key === undefined || slot.key === undefined || slot.key === key,
  )
  if (channel.isDynamic) {
    return stateOfBasket(name, slots[0]?.edge as DynamicBasket<string, unknown>, store, key)
  }
  return stateOf(
    name,
    slots.map((slot) => slot.edge),
    slots.map((slot) => slot.key),
    store,
    channel.definition.schema.def.type === 'array',
  )
}

function stateOf(
  name: string,
  edges: readonly Edge<unknown>[],
  keys: readonly (string | undefined)[],
  store: StateStore<unknown>,
  isList: boolean,
): Edge<StateStore<unknown>> {
  const [only] = edges
  if (isList) {
    return node(`state ${name}`, { edges }, ({ edges }) => () => {
      let changed = false
      for (let i = 0; i < edges.length; i++) {
        const edge = edges[i] as (typeof edges)[number]
        if (!edge.ticked) continue
        for (const record of edge.value as readonly unknown[]) {
          store.add(record, keys[i])
          changed = true
        }
      }
      return changed ? store : undefined
    })
  }
  if (edges.length === 1 && only !== undefined) {
    return node(`state ${name}`, { only }, ({ only }) => () => {
      store.add(only.value, keys[0])
      return store
    })
  }
  return node(`state ${name}`, { edges }, ({ edges }) => () => {
    edges.forEach((edge, i) => {
      if (edge.ticked) store.add(edge.value, keys[i])
    })
    return store
  })
}

function stateOfBasket(
  name: string,
  basket: DynamicBasket<string, unknown>,
  store: StateStore<unknown>,
  key: string | undefined,
): Edge<StateStore<unknown>> {
  return node(`state ${name}`, { basket }, ({ basket }) => () => {
    let changed = false
    for (const ticked of basket.value.ticked) {
      if (key !== undefined && ticked !== key) continue
      const value = basket.value.get(ticked)
      if (Array.isArray(value)) for (const record of value) store.add(record, ticked)
      else store.add(value, ticked)
      changed = true
    }
    return changed ? store : undefined
  })
}
