import {
  type BasketOutput,
  basketNode,
  type DynamicBasket,
  type Edge,
  feedback,
  type NodeContext,
  node,
} from '@gw/core'

/** What happened to one key of a dynamic basket in a cycle. */
interface Change {
  readonly key: string
  readonly isRemoval: boolean
  readonly value: unknown
}

type Basket = DynamicBasket<string, unknown>

/**
 * Merges dynamic baskets: what ticks on one key in one cycle comes out in successive cycles at one time, in the order of
 * `baskets`. A key is removed when the last basket that has it removes it.
 */
export function mergeBaskets(baskets: readonly Basket[]): Basket {
  return basketNode<string, unknown>()('mergeBaskets', { baskets }, ({ baskets }, out, context) => {
    const apply = oneAKey(out, context)
    return () => {
      const changes: Change[] = []
      for (const basket of baskets) {
        if (!basket.ticked) continue
        const { value: view } = basket
        for (const key of view.removed) {
          const others = baskets.some(
            (other) => other !== basket && other.valid && other.value.has(key),
          )
          if (!others && !view.has(key)) changes.push({ key, isRemoval: true, value: undefined })
        }
        for (const key of view.ticked) {
          changes.push({ key, isRemoval: false, value: view.get(key) })
        }
      }
      apply(changes)
    }
  })
}

/** The basket one cycle later, at the same time: the way to close a loop. */
export function feedBackBasket(basket: Basket, name: string): Basket {
  const { out, bind } = feedback<readonly Change[]>(basket.graph, name)
  bind(changesOf(basket))
  return basketNode<string, unknown>()(name, { changes: out }, ({ changes }, basket, context) => {
    const apply = oneAKey(basket, context)
    return () => apply(changes.ticked ? changes.value : [])
  })
}

/** The basket without what happens before `isOpen`. */
export function gateBasket(basket: Basket, isOpen: (context: NodeContext) => boolean): Basket {
  return basketNode<string, unknown>()('block', { basket }, ({ basket }, out, context) => () => {
    if (!isOpen(context)) return
    const { value: view } = basket
    for (const key of view.removed) if (out.has(key)) out.remove(key)
    for (const key of view.ticked) out.emit(key, view.get(key))
  })
}

function changesOf(basket: Basket): Edge<readonly Change[]> {
  return node('changes', { basket }, ({ basket }) => () => {
    const { value: view } = basket
    return [
      ...view.removed.map((key): Change => ({ key, isRemoval: true, value: undefined })),
      ...view.ticked.map((key): Change => ({ key, isRemoval: false, value: view.get(key) })),
    ]
  })
}

/** Applies changes in order, of each key one tick a cycle; the rest waits for the next cycles at the same time. */
function oneAKey(
  out: BasketOutput<string, unknown>,
  context: NodeContext,
): (changes: readonly Change[]) => void {
  const alarm = context.alarm<undefined>()
  let waiting: Change[] = []
  return (changes) => {
    const done = new Set<string>()
    const later: Change[] = []
    const blocked = new Set<string>()
    for (const change of [...waiting, ...changes]) {
      const { key, isRemoval, value } = change
      // A removal ends the key's cycle only for what was there: the key may begin anew at once.
      if (blocked.has(key) || done.has(key)) {
        blocked.add(key)
        later.push(change)
      } else if (isRemoval) {
        if (out.has(key)) out.remove(key)
      } else {
        out.emit(key, value)
        done.add(key)
      }
    }
    waiting = later
    if (later.length > 0) alarm.schedule(0, undefined)
  }
}
