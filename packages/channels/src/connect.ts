import { ChannelsError } from './errors.js'
import { addDynamicStates } from './module-additions.js'
import { ModuleChannels } from './module-channels.js'
import { channelOf, type WiredModule } from './wired-channel.js'
import type { Wiring } from './wiring.js'

/**
 * Has every module get and set its channels, in order.
 * @throws ChannelsError of the first module that makes a mistake, naming it.
 */
export function connectModules(wiring: Wiring, modules: readonly WiredModule[]): void {
  for (const me of modules) {
    const { module } = me
    connecting(wiring, me, () => {
      for (const name of module.requires ?? []) channelOf(wiring.channels, name, module.name)
      addDynamicStates(wiring, me)
      return module.connect?.(new ModuleChannels(wiring, me).typed<never>())
    })
  }
}

function connecting(wiring: Wiring, { module, scope }: WiredModule, connect: () => unknown): void {
  wiring.graph.scope(scope, () => {
    try {
      refusePromise(module.name, connect())
    } catch (cause) {
      throw connectFailed(module.name, cause)
    }
  })
}

/** The graph is built when every module has spoken: what a module does later comes too late. */
function refusePromise(module: string, returned: unknown): void {
  if (!(returned instanceof Promise)) return
  // Nobody will listen to it any more.
  returned.catch(() => undefined)
  throw new ChannelsError(
    'MODULE_FAILED',
    `connect of module "${module}" is async: wire at once, and do what has to wait in start`,
    { module },
  )
}

/** The error of a module whose wiring throws. */
export function connectFailed(module: string, cause: unknown): ChannelsError {
  if (cause instanceof ChannelsError) return cause.module === undefined ? cause.of(module) : cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ChannelsError(
    'MODULE_FAILED',
    `module "${module}" could not be connected: ${reason}`,
    { module, cause },
  )
}
