import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { manualClock, type Timestamp } from '@gw/core'
import type { AnyChannels } from '@gw/protocol'
import { onTestFinished, vi } from 'vitest'
import { type Contract, Gateway, type GatewayOptions, type Module } from '../../src/index.js'
import { T0 } from '../support.js'

/** What a logger was told: level, message, details. */
export type Told = readonly [level: string, message: string, details: Record<string, unknown>]

/** A logger that keeps what it is told. */
export function keepingLogger(): {
  readonly told: Told[]
  readonly logger: Record<
    'debug' | 'info' | 'warn' | 'error',
    (details: object, message: string) => void
  >
} {
  const told: Told[] = []
  const at =
    (level: string) =>
    (details: object, message: string): void => {
      told.push([level, message, details as Record<string, unknown>])
    }
  return {
    told,
    logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  }
}

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'gw-modules-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A gateway that runs in real time, by a clock that stands still, until the test is over. */
export async function running<C extends AnyChannels>(
  channels: Contract<C>,
  modules: readonly Module[],
  options: Partial<GatewayOptions<C>> = {},
): Promise<Gateway<C>> {
  const gateway = new Gateway<C>({
    channels,
    clock: manualClock(T0),
    logger: keepingLogger().logger,
    // However slow the machine is, all that follows from a call has happened when it returns.
    budgetMs: Number.POSITIVE_INFINITY,
    ...options,
    modules: modules as readonly Module<never>[] as readonly Module<C>[],
  })
  await gateway.start()
  onTestFinished(() => gateway.stop().catch(() => undefined))
  return gateway
}

/** Simulates a gateway from {@link T0} on. */
export function simulating<C extends AnyChannels>(
  channels: Contract<C>,
  modules: readonly Module[],
  duration?: Timestamp,
): ReturnType<Gateway<C>['simulate']> {
  const gateway = new Gateway<C>({
    channels,
    logger: keepingLogger().logger,
    modules: modules as readonly Module<never>[] as readonly Module<C>[],
  })
  return gateway.simulate({ start: T0, ...(duration === undefined ? {} : { duration }) })
}

/** Fulfilled when `check` throws no more; it has long, since machines are slow at times. */
export async function eventually(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 15_000, interval: 5 })
}
