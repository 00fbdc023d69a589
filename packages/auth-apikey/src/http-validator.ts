import type { Identity } from '@gw/protocol'
import type { KeyValidator } from './external-keys.js'

/** Options of {@link httpValidator}. */
export interface HttpValidatorOptions {
  /** Sent along, for example to say who asks. */
  readonly headers?: Readonly<Record<string, string>>
  /** How long an answer may take. @defaultValue 2_000 */
  readonly timeoutMs?: number
}

const MAX_ANSWER_BYTES = 64 * 1_024

/**
 * Asks a service who a key stands for: `POST` of `{"key": "..."}`, so that the key stands in no URL. It answers 200 with an
 * identity, `{"name", "credential"?, "scopes"?, "expiresAtMs"?, "claims"?}`, or 401, 403 or 404 for a key of nobody.
 * Anything else counts as being down.
 */
export function httpValidator(url: string, options: HttpValidatorOptions = {}): KeyValidator {
  const { headers = {}, timeoutMs = 2_000 } = options
  return async (key) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify({ key }),
      // A redirect would carry the key to where it was not meant to go.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if ([401, 403, 404].includes(response.status)) {
      await response.body?.cancel()
      return undefined
    }
    if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
    const text = await boundedText(response)
    // What is no identity is found out where all answers are checked.
    return JSON.parse(text) as Identity
  }
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > MAX_ANSWER_BYTES) throw new Error('the answer of the validator is too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}
