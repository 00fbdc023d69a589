import type { Credentials } from '@gw/protocol'

/** Name of the header, query parameter and cookie that the reference's clients use. */
export const TOKEN = 'token'

/** Keys that a request carries in its headers and, where allowed, in its URL; the wrong ones too. */
export function presentedKeys(credentials: Credentials, allowQuery: boolean): readonly string[] {
  const candidates = [
    credentials.header('x-api-key'),
    bearerToken(credentials.header('authorization')),
    credentials.header(TOKEN),
    allowQuery ? credentials.query(TOKEN) : undefined,
  ]
  return candidates.filter((key) => key !== undefined && key !== '') as string[]
}

function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(header ?? '')?.[1]
}
