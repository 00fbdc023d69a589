import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { manifestOf, PACKAGES, ROOT } from './workspace.js'

/** What each package may need at run time: architecture, as a list. */
const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: [],
  channels: ['@gw/core', '@gw/protocol'],
  'server-hono': [
    '@gw/channels',
    '@gw/core',
    '@gw/protocol',
    '@hono/node-server',
    'prom-client',
    'ws',
  ],
  'auth-apikey': ['@gw/protocol'],
  kafka: ['@gw/channels', '@gw/core', '@gw/protocol', 'kafkajs'],
  client: ['@gw/protocol'],
}

test('every package and app builds', () => {
  expect(inject('buildFailure')).toBe('')
})

describe.each(PACKAGES)('@gw/%s', (name) => {
  const manifest = manifestOf(join(ROOT, 'packages', name))

  test('says what it is, where it is from and what it ships', () => {
    expect(manifest).toMatchObject({
      name: `@gw/${name}`,
      license: 'Apache-2.0',
      sideEffects: false,
      repository: { directory: `packages/${name}` },
    })
    expect(manifest.files).toContain('dist')
  })

  test('depends on nothing that it does not need', () => {
    const allowed = DEPENDENCIES[name] ?? []
    expect(Object.keys(manifest.dependencies ?? {}).filter((it) => !allowed.includes(it))).toEqual(
      [],
    )
  })
})
