import { API_PATH, type Authenticator } from '@gw/protocol'
import type { Hono } from 'hono'
import { html } from 'hono/html'
import { WebServerError } from '../errors.js'
import { collect, credentialsOf, type GatewayContext, type GatewayEnv } from '../http/context.js'
import { serveEndpoint } from '../http/endpoint.js'
import type { Service } from '../service.js'

const MAX_FORM_BYTES = 4_096

/** Serves the login page of an authenticator that has sessions, and what begins and ends them. */
export function serveLogin(app: Hono<GatewayEnv>, service: Service): void {
  const authenticator = service.settings.authenticators.find(hasSessions)
  if (authenticator === undefined) return
  const { cookieName } = authenticator

  const begin = (c: GatewayContext, key: string): Response => {
    const session = authenticator.login(key, credentialsOf(c).address)
    if (session === undefined) throw new WebServerError('UNAUTHORIZED', 'unauthorized')
    const cookie = cookieText(c, cookieName, session.cookie, session.maxAgeSeconds)
    // After a form a browser is to GET the page that it is sent to.
    return redirect('/', cookie, c.req.method === 'POST' ? 303 : 307)
  }

  serveEndpoint<void>(app, service, {
    path: '/login',
    isPublic: true,
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        const token = c.req.query(cookieName)
        if (token === undefined) return c.html(loginPage(service.settings.title, cookieName))
        const query = new URLSearchParams({ [cookieName]: token })
        return redirect(`${API_PATH}/auth/login?${query}`)
      },
      POST: async (c) => begin(c, new URLSearchParams(await formOf(c)).get(cookieName) ?? ''),
    },
  })
  serveEndpoint<void>(app, service, {
    path: `${API_PATH}/auth/login`,
    isPublic: true,
    resolve: () => undefined,
    methods: { GET: (c) => begin(c, c.req.query(cookieName) ?? '') },
  })
  serveEndpoint<void>(app, service, {
    path: `${API_PATH}/auth/logout`,
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        const cookie = credentialsOf(c).cookie(cookieName)
        if (cookie !== undefined) authenticator.logout?.(cookie)
        return redirect('/login', cookieText(c, cookieName, '', 0))
      },
    },
  })
  serveEndpoint<void>(app, service, {
    path: '/logout',
    isPublic: true,
    resolve: () => undefined,
    methods: { GET: (c) => c.html(logoutPage(service.settings.title)) },
  })
}

/** Whether people can log in on a page. */
export function hasLogin({ settings }: Service): boolean {
  return settings.authenticators.some(hasSessions)
}

type WithSessions = Authenticator & Required<Pick<Authenticator, 'login' | 'cookieName'>>

function hasSessions(authenticator: Authenticator): authenticator is WithSessions {
  return authenticator.login !== undefined && authenticator.cookieName !== undefined
}

async function formOf(c: GatewayContext): Promise<string> {
  const incoming = c.env?.incoming
  const bytes =
    incoming === undefined
      ? new Uint8Array(await c.req.arrayBuffer())
      : await collect(incoming, MAX_FORM_BYTES)
  return new TextDecoder().decode(bytes)
}

function redirect(location: string, cookie?: string, status = 307): Response {
  return new Response(null, {
    status,
    headers: {
      Location: location,
      'Cache-Control': 'no-store',
      ...(cookie === undefined ? {} : { 'Set-Cookie': cookie }),
    },
  })
}

function cookieText(c: GatewayContext, name: string, value: string, maxAgeSeconds: number): string {
  const secure = c.req.header('x-forwarded-proto') === 'https' ? '; Secure' : ''
  return `${name}=${encodeURIComponent(value)}; HttpOnly; Max-Age=${maxAgeSeconds}; Path=/; SameSite=lax${secure}`
}

function loginPage(title: string, name: string): ReturnType<typeof html> {
  return html`<!doctype html>
<meta charset="utf-8"><title>${title}: log in</title>
<form method="post" action="/login">
<label>Key <input name="${name}" type="password" autocomplete="current-password" required autofocus></label>
<button>Log in</button>
</form>`
}

function logoutPage(title: string): ReturnType<typeof html> {
  return html`<!doctype html>
<meta charset="utf-8"><title>${title}: log out</title>
<form method="get" action="${API_PATH}/auth/logout"><button>Log out</button></form>`
}
