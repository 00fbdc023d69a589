import { basketNode, type DynamicBasket } from '../basket.js'
import type { Edge } from '../graph.js'
import { node, passive } from '../node.js'

/** Ticks each tick of `x` on the element of the present `key`, which is added if it is new; keys are never removed. */
export function dynamicDemultiplex<K, T>(x: Edge<T>, key: Edge<K>): DynamicBasket<K, T> {
  return basketNode<K, T>()(
    'dynamicDemultiplex',
    { x, key: passive(key) },
    ({ x, key }, basket) =>
      () => {
        if (key.valid) basket.emit(key.value, x.value)
      },
  )
}

/** Ticks the elements that ticked in the cycle, by key; a cycle in which keys are only removed ticks nothing. */
export function dynamicCollect<K, T>(basket: DynamicBasket<K, T>): Edge<ReadonlyMap<K, T>> {
  return node('dynamicCollect', { basket }, ({ basket }) => () => {
    const { ticked, tickedValues } = basket.value
    if (ticked.length === 0) return undefined
    const values = new Map<K, T>()
    for (let i = 0; i < ticked.length; i++) values.set(ticked[i] as K, tickedValues[i] as T)
    return values
  })
}
