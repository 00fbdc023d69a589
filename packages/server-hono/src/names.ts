import type { ChannelInfo } from '@gw/channels'

/**
 * The names under which something is served. A name with `_` answers to the spelling with `-` too, unless another name
 * has that spelling.
 */
export class Names<T extends { readonly name: string }> {
  /** Sorted by code point, as the lists of names show them. */
  readonly sorted: readonly string[]
  /** In the order in which they were given. */
  readonly items: readonly T[]
  readonly #byName = new Map<string, T>()

  constructor(items: readonly T[]) {
    this.items = items
    for (const item of items) this.#byName.set(item.name, item)
    this.sorted = [...this.#byName.keys()].sort()
    for (const item of items) {
      const alias = item.name.replaceAll('_', '-')
      if (!this.#byName.has(alias)) this.#byName.set(alias, item)
    }
  }

  /** What has exactly this name. */
  exactly(name: string): T | undefined {
    const item = this.#byName.get(name)
    return item?.name === name ? item : undefined
  }

  /** What is served as `name`, or as its spelling with dashes. */
  find(name: string): T | undefined {
    return this.#byName.get(name)
  }
}

/** Names of the channels, and of each key of the baskets below them, as the lists of `send` and `stream` show them. */
export function edgeNames(
  channels: readonly ChannelInfo[],
  keysOf: (info: ChannelInfo) => Iterable<string>,
  wholeBaskets: boolean,
): string[] {
  return channels
    .flatMap((channel) =>
      channel.kind === 'basket'
        ? [
            ...(wholeBaskets ? [channel.name] : []),
            ...Array.from(keysOf(channel), (key) => `${channel.name}/${key}`),
          ]
        : [channel.name],
    )
    .sort()
}
