import type { WiredChannel, WiredState } from './wired-channel.js'

/** Something that a module needs and nobody gives. */
export interface Missing {
  readonly code: 'MISSING_PROVIDER' | 'NO_STATE' | 'NO_STAGE'
  readonly channel: string
  /** The first module that needs it. */
  readonly module: string
  readonly message: string
}

/** Channels, and keys of baskets, that are needed and not set, with every module that needs them. */
export function missingProviders(channels: Iterable<WiredChannel>): readonly Missing[] {
  const problems: Missing[] = []
  for (const channel of channels) {
    const missing = channel.allSlots.filter(
      (slot) => !slot.isProvided && [...slot.askers.values()].includes(true),
    )
    if (missing.length === 0) continue
    const needing = new Set(
      missing.flatMap((slot) =>
        [...slot.askers].filter(([, needs]) => needs).map(([scope]) => scope),
      ),
    )
    const names =
      missing.length === channel.slots.size ? [channel.name] : missing.map((slot) => slot.name)
    problems.push({
      code: 'MISSING_PROVIDER',
      channel: channel.name,
      module: [...needing][0] as string,
      message: `nobody provides ${quoted(names)}, which ${quoted([...needing])} ${needing.size === 1 ? 'needs' : 'need'}: add a module that sets it, let the outside send it, or declare it required: false`,
    })
  }
  return problems
}

/** States that are read and not declared. `askers` are the modules that read them, by state. */
export function missingStates(
  askers: ReadonlyMap<string, ReadonlySet<string>>,
  states: ReadonlyMap<string, WiredState>,
): readonly Missing[] {
  return [...askers].flatMap(([name, readers]) =>
    states.has(name)
      ? []
      : {
          code: 'NO_STATE' as const,
          channel: name,
          module: [...readers][0] as string,
          message: `there is no state ${quoted([name])}, which ${quoted([...readers])} ${readers.size === 1 ? 'reads' : 'read'}: declare it in the contract, or with setState`,
        },
  )
}

/** Channels whose stagings are watched and which nobody stages. */
export function missingStages(channels: Iterable<WiredChannel>): readonly Missing[] {
  return [...channels].flatMap(({ name, isStaged, stageEvents }) =>
    isStaged || stageEvents === undefined
      ? []
      : {
          code: 'NO_STAGE' as const,
          channel: name,
          module: [...stageEvents.askers][0] as string,
          message: `nobody stages ${quoted([name])}, of which ${quoted([...stageEvents.askers])} ${stageEvents.askers.size === 1 ? 'wants' : 'want'} the events: declare stage in the contract, or call setStage`,
        },
  )
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ')
}
