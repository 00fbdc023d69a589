import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { gatewayProgram, runChaos } from './chaos/chaos.js'

// A short form of `pnpm chaos:kafka`, with a broker of its own to crash.
test.skipIf(inject('tls') === undefined)(
  'gateways that are killed, and a broker that crashes, change no sum: each record counts once',
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const lines = [`seed ${seed}`]
    const folder = mkdtempSync(join(tmpdir(), 'gw-chaos-program-'))
    try {
      const result = await runChaos({
        seed,
        records: 10_000,
        keys: 100,
        partitions: 4,
        gateways: 3,
        exactlyOnce: true,
        durationMs: 12_000,
        sessionTimeoutMs: 3_000,
        slowMs: 0.2,
        program: await gatewayProgram(join(import.meta.dirname, 'chaos/gateway.ts'), folder),
        log: (line) => lines.push(line),
      })
      const { inputs, lostEnds } = result
      expect(inputs).toBeGreaterThanOrEqual(10_000)
      // What the broker itself has lost is not ours.
      const exact = lostEnds === 0 ? { over: 0, outputs: inputs } : {}
      expect({ ...result, lines }).toMatchObject({ missing: 0, short: 0, ...exact })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)
