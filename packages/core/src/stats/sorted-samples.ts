/** Values of a leaf and children of a branch, at most. A window of so many samples is one sorted array. */
const WIDTH = 64

/**
 * Numbers in ascending order, duplicates kept, without NaN: adding, removing, the nth and the rank of one are O(log n).
 *
 * A counted B+ tree: leaves hold the numbers, branches how many there are below each child. Nodes split when full and
 * go when empty, but are not merged when merely underfull, which costs no more height in practice.
 * R. Bayer, E. McCreight, "Organization and Maintenance of Large Ordered Indices", Acta Informatica 1, 1972;
 * T. Johnson, D. Shasha, "B-trees with inserts and deletes: why free-at-empty is better than merge-at-half", 1993.
 */
export class SortedSamples {
  #root: Leaf | Branch = new Leaf()

  get size(): number {
    return this.#root.count
  }

  add(value: number): void {
    const right = this.#root.add(value)
    if (right !== undefined) this.#root = new Branch([this.#root, right])
  }

  /** Removes one of the equals of `value`, if there is any. */
  remove(value: number): void {
    this.#root.remove(value)
    while (this.#root instanceof Branch && this.#root.children.length === 1) {
      this.#root = this.#root.children[0] as Leaf | Branch
    }
  }

  clear(): void {
    this.#root = new Leaf()
  }

  /** The number with `index` others before it; 0 up to `size - 1`. */
  at(index: number): number {
    return this.#root.at(index)
  }

  /** How many are less than `value`; with `orEqual`, how many are not greater. */
  countBelow(value: number, orEqual: boolean): number {
    return this.#root.countBelow(value, orEqual)
  }
}

class Leaf {
  count = 0
  #values = new Float64Array(WIDTH)

  get least(): number {
    return this.#values[0] as number
  }

  /** @returns the right half, if the leaf had to be split. */
  add(value: number): Leaf | undefined {
    if (this.count === WIDTH) {
      const right = this.#split()
      ;(value >= right.least ? right : this).add(value)
      return right
    }
    const at = this.countBelow(value, false)
    this.#values.copyWithin(at + 1, at, this.count++)
    this.#values[at] = value
    return undefined
  }

  remove(value: number): boolean {
    const at = this.countBelow(value, false)
    if (at === this.count || this.#values[at] !== value) return false
    this.#values.copyWithin(at, at + 1, this.count--)
    return true
  }

  at(index: number): number {
    return this.#values[index] as number
  }

  countBelow(value: number, orEqual: boolean): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#values[middle] as number
      if (other < value || (orEqual && other === value)) low = middle + 1
      else high = middle
    }
    return low
  }

  #split(): Leaf {
    const right = new Leaf()
    const half = WIDTH / 2
    right.#values.set(this.#values.subarray(half))
    right.count = WIDTH - half
    this.count = half
    return right
  }
}

class Branch {
  count = 0
  readonly children: (Leaf | Branch)[]
  // Of each child. To look into the children themselves would be a wait for memory each.
  readonly #counts = new Int32Array(WIDTH + 1)
  readonly #leasts = new Float64Array(WIDTH + 1)

  constructor(children: (Leaf | Branch)[]) {
    this.children = children
    for (const [at, child] of children.entries()) {
      this.count += child.count
      this.#look(at)
    }
  }

  get least(): number {
    return this.#leasts[0] as number
  }

  /** @returns the right half, if the branch had to be split. */
  add(value: number): Branch | undefined {
    this.count++
    const at = this.#lastBelow(value, false)
    const right = (this.children[at] as Leaf | Branch).add(value)
    this.#look(at)
    if (right === undefined) return undefined
    this.#counts.copyWithin(at + 2, at + 1, this.children.length)
    this.#leasts.copyWithin(at + 2, at + 1, this.children.length)
    this.children.splice(at + 1, 0, right)
    this.#look(at + 1)
    if (this.children.length <= WIDTH) return undefined
    const half = new Branch(this.children.splice(WIDTH / 2))
    this.count -= half.count
    return half
  }

  remove(value: number): boolean {
    // Equals end in the last child that begins with one, if they are not in the middle of another.
    const at = this.#lastBelow(value, true)
    const child = this.children[at] as Leaf | Branch
    if (!child.remove(value)) return false
    this.count--
    if (child.count > 0) {
      this.#look(at)
    } else {
      this.children.splice(at, 1)
      this.#counts.copyWithin(at, at + 1)
      this.#leasts.copyWithin(at, at + 1)
    }
    return true
  }

  at(index: number): number {
    let rest = index
    let at = 0
    for (;;) {
      const count = this.#counts[at] as number
      if (rest < count) return (this.children[at] as Leaf | Branch).at(rest)
      rest -= count
      at++
    }
  }

  countBelow(value: number, orEqual: boolean): number {
    const at = this.#lastBelow(value, orEqual)
    let count = 0
    for (let i = 0; i < at; i++) count += this.#counts[i] as number
    return count + (this.children[at] as Leaf | Branch).countBelow(value, orEqual)
  }

  /** The last child whose least value is below `value`, or the first: what is below `value` ends in it. */
  #lastBelow(value: number, orEqual: boolean): number {
    let low = 1
    let high = this.children.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const least = this.#leasts[middle] as number
      if (least < value || (orEqual && least === value)) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  #look(at: number): void {
    const child = this.children[at] as Leaf | Branch
    this.#counts[at] = child.count
    this.#leasts[at] = child.least
  }
}
