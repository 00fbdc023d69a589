/**
 * The order in which the records of a state came, as a list that is linked both ways. Two numbers a record, side by side in
 * one array: an update touches no other record's memory.
 */
export class ArrivalOrder {
  /** Of the record at place p, the place of the one before it at 2p and of the one after it at 2p + 1; -1 for none. */
  #links = new Int32Array(2 * 64)
  #oldest = -1
  #newest = -1

  /** Place of the record that came first; -1 when there is none. */
  get oldest(): number {
    return this.#oldest
  }

  /** Takes in what is not in it. */
  append(place: number): void {
    if (2 * place >= this.#links.length) this.#grow(place)
    const links = this.#links
    links[2 * place] = this.#newest
    links[2 * place + 1] = -1
    if (this.#newest === -1) this.#oldest = place
    else links[2 * this.#newest + 1] = place
    this.#newest = place
  }

  /** Takes out what is in it. */
  remove(place: number): void {
    const links = this.#links
    const before = links[2 * place] as number
    const after = links[2 * place + 1] as number
    if (before === -1) this.#oldest = after
    else links[2 * before + 1] = after
    if (after === -1) this.#newest = before
    else links[2 * after] = before
  }

  /** Makes what is in it the newest. */
  moveToEnd(place: number): void {
    if (place === this.#newest) return
    this.remove(place)
    this.append(place)
  }

  /** All places, the oldest first. */
  *[Symbol.iterator](): IterableIterator<number> {
    for (let at = this.#oldest; at !== -1; at = this.#links[2 * at + 1] as number) yield at
  }

  #grow(place: number): void {
    const grown = new Int32Array(Math.max(2 * this.#links.length, 2 * (place + 1)))
    grown.set(this.#links)
    this.#links = grown
  }
}
