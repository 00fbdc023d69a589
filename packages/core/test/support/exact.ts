/** A number as an exact fraction of two integers: the sums of statistics without any rounding. */
export class Exact {
  readonly #numerator: bigint
  /** Above 0. */
  readonly #denominator: bigint

  private constructor(numerator: bigint, denominator: bigint) {
    this.#numerator = denominator < 0n ? -numerator : numerator
    this.#denominator = denominator < 0n ? -denominator : denominator
  }

  /** Exactly the number that the double is. */
  static of(x: number): Exact {
    if (!Number.isFinite(x)) throw new RangeError(`no fraction: ${x}`)
    let scaled = x
    let denominator = 1n
    while (!Number.isInteger(scaled)) {
      scaled *= 2
      denominator *= 2n
    }
    return new Exact(BigInt(scaled), denominator)
  }

  static sum(terms: readonly Exact[]): Exact {
    return terms.reduce((sum, term) => sum.plus(term), Exact.of(0))
  }

  plus(other: Exact): Exact {
    return new Exact(
      this.#numerator * other.#denominator + other.#numerator * this.#denominator,
      this.#denominator * other.#denominator,
    ).#reduced()
  }

  minus(other: Exact): Exact {
    return this.plus(other.times(Exact.of(-1)))
  }

  times(other: Exact): Exact {
    return new Exact(
      this.#numerator * other.#numerator,
      this.#denominator * other.#denominator,
    ).#reduced()
  }

  over(other: Exact): Exact {
    return new Exact(
      this.#numerator * other.#denominator,
      this.#denominator * other.#numerator,
    ).#reduced()
  }

  power(n: number): Exact {
    return new Exact(this.#numerator ** BigInt(n), this.#denominator ** BigInt(n))
  }

  /** The double nearest to it, but for the last bit or two. */
  toNumber(): number {
    if (this.#numerator === 0n) return 0
    const size = (n: bigint): number => (n < 0n ? -n : n).toString(2).length
    // 64 bits of the quotient, then the power of 2 that was taken out.
    const shift = 64 - (size(this.#numerator) - size(this.#denominator))
    const quotient =
      shift >= 0
        ? (this.#numerator << BigInt(shift)) / this.#denominator
        : this.#numerator / (this.#denominator << BigInt(-shift))
    return Number(quotient) * 2 ** -shift
  }

  #reduced(): Exact {
    let a = this.#numerator < 0n ? -this.#numerator : this.#numerator
    let b = this.#denominator
    while (b !== 0n) [a, b] = [b, a % b]
    return a > 1n ? new Exact(this.#numerator / a, this.#denominator / a) : this
  }
}
