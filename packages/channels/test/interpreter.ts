import type { ChannelsErrorCode } from '../src/index.js'

/** What ticks in these programs. */
export interface Rec {
  readonly k: string
  readonly v: number
}

export interface ChannelPlan {
  readonly kind: 'single' | 'list' | 'fixed' | 'open' | 'dynamic'
  readonly required: boolean
  readonly readOnly: boolean
  readonly send: boolean
  readonly stage: boolean
  readonly state: 'k' | 'v' | 'zz' | undefined
}

/** A channel, by its number, and, of a basket, a key. */
export interface SlotPlan {
  readonly channel: number
  readonly key: 'A' | 'B' | 'Z'
}

/** What a module computes; but for sources, each node ticks three times at most, so that every loop ends. */
export type Expression =
  | { readonly kind: 'source'; readonly ticks: readonly (readonly [number, Rec])[] }
  | { readonly kind: 'step'; readonly of: SlotPlan }
  | { readonly kind: 'join'; readonly of: SlotPlan; readonly and: SlotPlan }
  | { readonly kind: 'size'; readonly state: string }

export type Call =
  | { readonly call: 'get'; readonly slot: SlotPlan }
  | {
      readonly call: 'set'
      readonly slot: SlotPlan
      readonly to: Expression
      readonly whole: boolean
    }
  | { readonly call: 'send'; readonly channel: number }
  | { readonly call: 'stage'; readonly channel: number }
  | {
      readonly call: 'state'
      readonly channel: number
      readonly by: 'k' | 'v' | 'zz'
      readonly alias: string | undefined
    }
  | { readonly call: 'noEdge'; readonly channel: number }
  | { readonly call: 'otherGraph'; readonly slot: SlotPlan }
  | { readonly call: 'throw' }

export interface ModulePlan {
  readonly enabled: boolean
  readonly requires: readonly string[] | undefined
  readonly keys: readonly ('A' | 'B')[]
  readonly keysOf: number
  readonly blockUntil: number | undefined
  readonly calls: readonly Call[]
}

export interface Program {
  readonly channels: readonly ChannelPlan[]
  readonly modules: readonly ModulePlan[]
}

/** What a program has to do: fail with a code, or start and tick. */
export type Outcome =
  | { readonly code: ChannelsErrorCode }
  | {
      readonly code: undefined
      /** What ticks in each cycle, by slot. */
      readonly cycles: readonly (readonly [number, { readonly [slot: string]: unknown }])[]
      /** By channel, the modules whose edge comes a cycle later. */
      readonly feedbacks: { readonly [channel: string]: readonly string[] }
      /** By state, its records. */
      readonly states: { readonly [state: string]: readonly Rec[] }
    }

export const NODE_TICKS = 3

interface Slot {
  readonly name: string
  readonly channel: string
  readonly key: string | undefined
  readonly isList: boolean
  /** A basket whose keys come as they tick: each record ticks on the key that its `k` is. */
  readonly isDynamic: boolean
  readonly providers: {
    readonly to: Expression
    readonly module: string
    readonly blockUntil: number
    isFedBack: boolean
  }[]
  isNeeded: boolean
  isOpen: boolean
  queue: unknown[]
  last: unknown
}

interface State {
  readonly channel: string
  readonly by: 'k' | 'v'
  readonly records: Map<unknown, Rec>
}

/** The name of a channel. */
export const nameOf = (channel: number, { channels }: Program): string =>
  `c${channel % channels.length}`

class Mistake extends Error {
  readonly code: ChannelsErrorCode
  constructor(code: ChannelsErrorCode) {
    super(code)
    this.code = code
  }
}

/** Does what the rules say, as plainly as can be: no graph, no ranks, no shortcuts. */
export function interpret(program: Program): Outcome {
  try {
    return new Interpreter(program).run()
  } catch (error) {
    if (error instanceof Mistake) return { code: error.code }
    throw error
  }
}

class Interpreter {
  readonly #program: Program
  readonly #slots = new Map<string, Slot>()
  readonly #states = new Map<string, State>()
  readonly #statesRead = new Set<string>()
  readonly #setOrder = new Set<string>()

  constructor(program: Program) {
    this.#program = program
  }

  run(): Outcome {
    const enabled = this.#program.modules
      .map((plan, i) => ({ plan, name: `m${i}` }))
      .filter(({ plan }) => plan.enabled)
    this.#declare(enabled.map(({ plan }) => plan))
    for (const { plan, name } of enabled) this.#connect(plan, name)
    this.#bind()
    this.#check()
    const cycles = this.#tick()
    return {
      code: undefined,
      cycles,
      feedbacks: Object.fromEntries(
        this.#program.channels.map((_, i) => [`c${i}`, this.#feedbacksOf(`c${i}`)]),
      ),
      states: Object.fromEntries(
        [...this.#states].map(([name, { records }]) => [
          name,
          [...records]
            .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1))
            .map(([, rec]) => rec),
        ]),
      ),
    }
  }

  #declare(modules: readonly ModulePlan[]): void {
    for (const { kind, state, stage, send, readOnly } of this.#program.channels) {
      const isBasket = kind === 'fixed' || kind === 'open' || kind === 'dynamic'
      if (state === 'zz' || (stage && isBasket) || (readOnly && (send || stage))) {
        throw new Mistake('INVALID_CONTRACT')
      }
    }
    const announced = new Map<string, Set<string>>()
    for (const { keys, keysOf } of modules) {
      if (keys.length === 0) continue
      if (this.#kindOf(keysOf) !== 'open') throw new Mistake('UNKNOWN_CHANNEL')
      const name = nameOf(keysOf, this.#program)
      announced.set(name, new Set([...(announced.get(name) ?? []), ...keys]))
    }
    this.#program.channels.forEach(({ kind, state, send, stage }, i) => {
      const channel = `c${i}`
      const keys =
        kind === 'fixed'
          ? ['A', 'B']
          : kind === 'open'
            ? [...(announced.get(channel) ?? [])]
            : [undefined]
      for (const key of keys) {
        const name = key === undefined ? channel : `${channel}/${key}`
        this.#slots.set(name, {
          name,
          channel,
          key,
          isList: kind === 'list',
          isDynamic: kind === 'dynamic',
          providers: [],
          isNeeded: false,
          isOpen: send || stage,
          queue: [],
          last: undefined,
        })
      }
      if (state !== undefined) this.#addState(channel, channel, state)
    })
  }

  #kindOf(channel: number): ChannelPlan['kind'] {
    const { channels } = this.#program
    return (channels[channel % channels.length] as ChannelPlan).kind
  }

  #planOf(channel: number): ChannelPlan {
    const { channels } = this.#program
    return channels[channel % channels.length] as ChannelPlan
  }

  #slot({ channel, key }: SlotPlan): Slot {
    const name = nameOf(channel, this.#program)
    const kind = this.#kindOf(channel)
    const slot = this.#slots.get(
      kind === 'fixed' || kind === 'open' || key === 'Z' ? `${name}/${key}` : name,
    )
    if (slot === undefined) throw new Mistake('UNKNOWN_KEY')
    return slot
  }

  #slotsOf(channel: string): readonly Slot[] {
    return [...this.#slots.values()].filter((slot) => slot.channel === channel)
  }

  #addState(name: string, channel: string, by: 'k' | 'v' | 'zz'): void {
    if (by === 'zz') throw new Mistake('INVALID_CONTRACT')
    const before = this.#states.get(name)
    if (before !== undefined && (before.channel !== channel || before.by !== by)) {
      throw new Mistake('CONFLICTING_STATE')
    }
    if (before === undefined) this.#states.set(name, { channel, by, records: new Map() })
  }

  #connect(plan: ModulePlan, module: string): void {
    const { channels } = this.#program
    for (const name of plan.requires ?? []) {
      if (!channels.some((_, i) => name === `c${i}`)) throw new Mistake('UNKNOWN_CHANNEL')
    }
    const ask = (slot: Slot): void => {
      const { required } = this.#planOf(Number(slot.channel.slice(1)))
      if (required && (plan.requires === undefined || plan.requires.includes(slot.channel))) {
        slot.isNeeded = true
      }
    }
    for (const call of plan.calls) {
      switch (call.call) {
        case 'get':
          ask(this.#slot(call.slot))
          break
        case 'set': {
          // What is computed is asked for before it is set.
          if (call.to.kind === 'step' || call.to.kind === 'join') ask(this.#slot(call.to.of))
          if (call.to.kind === 'join') ask(this.#slot(call.to.and))
          if (call.to.kind === 'size') this.#statesRead.add(call.to.state)
          const slot = this.#slot(call.slot)
          slot.providers.push({
            to: call.to,
            module,
            blockUntil: plan.blockUntil ?? 0,
            isFedBack: false,
          })
          this.#setOrder.add(slot.channel)
          break
        }
        case 'send':
        case 'stage': {
          const { readOnly, kind } = this.#planOf(call.channel)
          if (readOnly) throw new Mistake('READ_ONLY')
          if (call.call === 'stage' && kind !== 'single' && kind !== 'list') {
            throw new Mistake('INVALID_CONTRACT')
          }
          for (const slot of this.#slotsOf(nameOf(call.channel, this.#program))) slot.isOpen = true
          break
        }
        case 'state': {
          const channel = nameOf(call.channel, this.#program)
          if (call.by === 'zz') throw new Mistake('INVALID_CONTRACT')
          for (const slot of this.#slotsOf(channel)) ask(slot)
          this.#addState(call.alias ?? channel, channel, call.by)
          break
        }
        case 'noEdge':
          throw new Mistake('WRONG_EDGE')
        case 'otherGraph':
          this.#slot(call.slot)
          throw new Mistake('WRONG_EDGE')
        case 'throw':
          throw new Mistake('MODULE_FAILED')
      }
    }
  }

  /** The slots that an expression is computed from. */
  #read(to: Expression): readonly Slot[] {
    if (to.kind === 'step') return [this.#slot(to.of)]
    if (to.kind === 'join') return [this.#slot(to.of), this.#slot(to.and)]
    const state = to.kind === 'size' ? this.#states.get(to.state) : undefined
    return state === undefined ? [] : this.#slotsOf(state.channel)
  }

  /** Channel by channel, as each was first set: what leads back to the slot itself comes a cycle later. */
  #bind(): void {
    const bound = new Set<Slot>()
    const leadsTo = (to: Expression, target: Slot, seen: Set<Slot>): boolean =>
      this.#read(to).some((slot) => {
        if (slot === target) return true
        if (!bound.has(slot) || seen.has(slot)) return false
        seen.add(slot)
        return slot.providers.some(
          (provider) => !provider.isFedBack && leadsTo(provider.to, target, seen),
        )
      })
    for (const channel of this.#setOrder) {
      for (const slot of this.#slotsOf(channel)) {
        for (const provider of slot.providers) {
          provider.isFedBack = leadsTo(provider.to, slot, new Set())
        }
        bound.add(slot)
      }
    }
  }

  #feedbacksOf(channel: string): readonly string[] {
    const all = this.#slotsOf(channel).flatMap(({ providers, key }) =>
      providers
        .filter(({ isFedBack }) => isFedBack)
        .map(({ module }) => (key === undefined ? module : `${module}[${key}]`)),
    )
    return [...new Set(all)]
  }

  #check(): void {
    for (const { isNeeded, isOpen, providers } of this.#slots.values()) {
      if (isNeeded && !isOpen && providers.length === 0) throw new Mistake('MISSING_PROVIDER')
    }
    for (const name of this.#statesRead) if (!this.#states.has(name)) throw new Mistake('NO_STATE')
  }

  #tick(): (readonly [number, { readonly [slot: string]: unknown }])[] {
    const slots = [...this.#slots.values()]
    const providers = slots.flatMap((slot) => slot.providers)
    const times = new Set(
      providers.flatMap(({ to }) => (to.kind === 'source' ? to.ticks.map(([time]) => time) : [])),
    )
    const ticked = new Map<object, number>()
    const cycles: [number, Record<string, unknown>][] = []
    for (const time of [...times].sort((a, b) => a - b)) {
      const arriving = new Map<object, Rec[]>()
      for (const provider of providers) {
        if (provider.to.kind !== 'source') continue
        arriving.set(
          provider,
          provider.to.ticks.filter(([at]) => at === time).map(([, rec]) => rec),
        )
      }
      let fedBack = new Map<object, Rec>()
      for (;;) {
        const now = new Map<Slot, unknown>()
        const done = new Set<Slot>()
        const stateTicks = new Map<string, boolean>()
        const outputs = new Map<object, Rec | undefined>()

        const slotNow = (slot: Slot): unknown => {
          if (done.has(slot)) return now.get(slot)
          done.add(slot)
          const values = slot.providers.flatMap((provider) => {
            const value = provider.isFedBack ? fedBack.get(provider) : outputOf(provider)
            return value === undefined ? [] : [value]
          })
          let value: unknown
          if (slot.isList) value = values.length === 0 ? undefined : values
          else if (slot.isDynamic) value = takeByKey(slot, values as Rec[])
          else {
            slot.queue.push(...values)
            value = slot.queue.shift()
          }
          if (value !== undefined) {
            now.set(slot, value)
            slot.last = slot.isDynamic ? { ...(slot.last as object), ...(value as object) } : value
          }
          return value
        }
        /** What a node takes of a slot: of a list the last record, of a dynamic basket that of the first key. */
        const recordOf = ({ last, isDynamic }: Slot): Rec => {
          if (!isDynamic) return (Array.isArray(last) ? last.at(-1) : last) as Rec
          const [first] = Object.keys(last as object).sort()
          return (last as Record<string, Rec>)[first as string] as Rec
        }
        const stateNow = (name: string): boolean => {
          const known = stateTicks.get(name)
          if (known !== undefined) return known
          const { channel, by, records } = this.#states.get(name) as State
          let changed = false
          for (const slot of this.#slotsOf(channel)) {
            const value = slotNow(slot)
            if (value === undefined) continue
            const ticked = slot.isDynamic ? Object.values(value as object) : [value].flat()
            for (const rec of ticked as Rec[]) records.set(rec[by], rec)
            changed = true
          }
          stateTicks.set(name, changed)
          return changed
        }
        const computed = (to: Expression): Rec | undefined => {
          switch (to.kind) {
            case 'source':
              return undefined
            case 'step': {
              const slot = this.#slot(to.of)
              if (slotNow(slot) === undefined) return undefined
              const { k, v } = recordOf(slot)
              return { k, v: v + 1 }
            }
            case 'join': {
              const [a, b] = [this.#slot(to.of), this.#slot(to.and)]
              const ticks = [slotNow(a), slotNow(b)]
              if (ticks.every((tick) => tick === undefined)) return undefined
              if (a.last === undefined || b.last === undefined) return undefined
              return { k: recordOf(a).k, v: recordOf(a).v + recordOf(b).v }
            }
            case 'size':
              return stateNow(to.state)
                ? { k: to.state, v: (this.#states.get(to.state) as State).records.size }
                : undefined
          }
        }
        const outputOf = (provider: Slot['providers'][number]): Rec | undefined => {
          if (outputs.has(provider)) return outputs.get(provider)
          let value: Rec | undefined
          if (provider.to.kind === 'source') value = arriving.get(provider)?.shift()
          else {
            value = computed(provider.to)
            const before = ticked.get(provider) ?? 0
            if (value !== undefined && before === NODE_TICKS) value = undefined
            if (value !== undefined) ticked.set(provider, before + 1)
          }
          if (time < provider.blockUntil) value = undefined
          outputs.set(provider, value)
          return value
        }

        for (const slot of slots) slotNow(slot)
        for (const name of this.#states.keys()) stateNow(name)
        const next = new Map<object, Rec>()
        for (const provider of providers) {
          const value = outputOf(provider)
          if (provider.isFedBack && value !== undefined) next.set(provider, value)
        }
        if (now.size > 0) {
          cycles.push([
            time,
            Object.fromEntries([...now].map(([{ name }, value]) => [name, value])),
          ])
        }
        fedBack = next
        const hasMore =
          next.size > 0 ||
          slots.some(({ queue }) => queue.length > 0) ||
          [...arriving.values()].some((values) => values.length > 0)
        if (!hasMore) break
      }
    }
    return cycles
  }
}

/** Of each key the record that came first; the others wait for the next cycles. */
function takeByKey({ queue }: Slot, values: readonly Rec[]): object | undefined {
  const taken: Record<string, Rec> = {}
  for (const record of queue.splice(0).concat(values) as Rec[]) {
    if (Object.hasOwn(taken, record.k)) queue.push(record)
    else taken[record.k] = record
  }
  return Object.keys(taken).length === 0 ? undefined : taken
}
