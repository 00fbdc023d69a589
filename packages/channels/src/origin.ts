/** Hands out the object that it is given, so that a class can add its private fields to one that is there already. */
class Given {
  constructor(record: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return record
  }
}

/**
 * Who sent a record, in a private field of the record itself: nobody sees it who looks at the record's fields, it goes with
 * the record, and it costs a fifth of an entry in a weak map, which each collection of garbage looks through.
 */
class Origin extends Given {
  #name: string

  constructor(record: object, name: string) {
    super(record)
    this.#name = name
  }

  static set(record: object, name: string): void {
    if (#name in record) record.#name = name
    else if (Object.isExtensible(record)) new Origin(record, name)
    else ofFrozen.set(record, name)
  }

  static of(record: object): string | undefined {
    return #name in record ? record.#name : ofFrozen.get(record)
  }
}

/** Of records to which nothing can be added. */
const ofFrozen = new WeakMap<object, string>()

/** Notes who sends a record, or each of a list; what is no object has no room for it. */
export function setOrigin(record: unknown, origin: string | undefined): void {
  if (origin === undefined || typeof record !== 'object' || record === null) return
  Origin.set(record, origin)
  if (Array.isArray(record)) for (const each of record) setOrigin(each, origin)
}

/** Name of who sent a record, as given in the options of the send; `undefined` for what a module made. */
export function originOf(record: unknown): string | undefined {
  return typeof record === 'object' && record !== null ? Origin.of(record) : undefined
}
