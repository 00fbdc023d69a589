/** A cookie that is to be set. */
export interface CookieSettings {
  readonly name: string
  readonly value: string
  /** @defaultValue '/' */
  readonly path?: string
  readonly maxAgeSeconds: number
}

/** A cookie that scripts cannot read and other sites' requests do not carry; Secure where browsers come over https. */
export function cookieText(
  { protocol }: URL,
  request: Request,
  { name, value, path = '/', maxAgeSeconds }: CookieSettings,
): string {
  const isSecure = protocol === 'https:' || request.headers.get('x-forwarded-proto') === 'https'
  return `${name}=${value}; HttpOnly; Max-Age=${maxAgeSeconds}; Path=${path}; SameSite=Lax${isSecure ? '; Secure' : ''}`
}

/** Value of a cookie of a request. */
export function cookieOf(request: Request, name: string): string | undefined {
  for (const pair of (request.headers.get('cookie') ?? '').split(';')) {
    const [key, value] = pair.trim().split('=', 2)
    if (key === name) return value
  }
  return undefined
}
