import { isScope } from '@gw/protocol'
import { ApiKeyError } from './errors.js'
import type { StoredKey } from './key-store.js'

/** The content of a file of keys. */
export interface StoredKeys {
  readonly version: 1
  readonly keys: readonly StoredKey[]
}

/**
 * The keys in the text of a file. Everything is checked, as a field that is misspelt could give a key more than was meant.
 * @throws ApiKeyError `INVALID_STORE` with the key and the field concerned.
 */
export function parseStoredKeys(text: string, path: string): readonly StoredKey[] {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (cause) {
    throw new ApiKeyError('INVALID_STORE', `${path} is not JSON`, { cause })
  }
  const problem = isRecord(content) ? contentProblem(content) : 'is no object'
  if (problem !== undefined) throw new ApiKeyError('INVALID_STORE', `${path} ${problem}`)
  return (content as unknown as StoredKeys).keys
}

function contentProblem({ version, keys, ...rest }: Fields): string | undefined {
  if (version !== 1) return `has the version ${JSON.stringify(version)}, not 1`
  if (!Array.isArray(keys)) return 'has no list of keys'
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) return `has the unknown member ${unknown}`
  const ids = new Set<unknown>()
  for (const [index, key] of keys.entries()) {
    const problem = isRecord(key) ? keyProblem(key) : 'is no object'
    if (problem !== undefined) return `is wrong at keys.${index}: ${problem}`
    if (ids.has(key.id)) return `has two keys of the id ${key.id}`
    ids.add(key.id)
  }
  return undefined
}

function keyProblem({ id, name, hash, scopes, createdAt, ...rest }: Fields): string | undefined {
  if (typeof id !== 'string' || id === '') return 'id is a text'
  if (typeof name !== 'string' || name === '') return 'name is a text'
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash))
    return 'hash is 64 hexadecimal digits'
  if (!isTime(createdAt)) return 'createdAt is a time'
  for (const [field, value] of Object.entries(rest)) {
    if (!['notBefore', 'expiresAt', 'revokedAt'].includes(field)) return `unknown field ${field}`
    if (!isTime(value)) return `${field} is a time such as 2027-01-31T00:00:00Z`
  }
  if (scopes === undefined) return undefined
  if (!Array.isArray(scopes)) return 'scopes is a list'
  return scopes.every(isScope)
    ? undefined
    : 'a scope is {"operations":["read"|"send"|"stage"|"control"],"channels"?:[...],"keys"?:[...]}'
}

type Fields = Readonly<Record<string, unknown>>

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value))
}
