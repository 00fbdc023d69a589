import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { manifestOf, PACKAGES, ROOT } from './workspace.js'

/** What each package needs at run time: the table of the architecture. A new one is a decision, and changes this list. */
const DEPENDENCIES: Readonly<Record<(typeof PACKAGES)[number], readonly string[]>> = {
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
  'auth-oidc': ['@gw/protocol', 'jose', 'openid-client'],
  kafka: ['@gw/channels', '@gw/core', '@gw/protocol', 'kafkajs'],
  client: ['@gw/protocol'],
  mcp: ['@gw/client', '@gw/protocol', '@modelcontextprotocol/sdk', 'ws'],
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
    expect(Object.keys(manifest.dependencies ?? {}).toSorted()).toEqual(DEPENDENCIES[name])
  })
})
