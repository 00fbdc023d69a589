import { API_PATH, type Authenticator, type ErrorCode } from '@gw/protocol'
import type { Hono } from 'hono'
import { html } from 'hono/html'
import { WebServerError } from '../errors.js'
import {
  collectBody,
  credentialsOf,
  type GatewayContext,
  type GatewayEnv,
} from '../http/context.js'
import { serveEndpoint } from '../http/endpoint.js'
import { isOriginAllowed } from '../http/origin.js'
import type { Service } from '../service.js'

const MAX_FORM_BYTES = 4_096

/** Serves the login page, what begins and ends sessions, and the pages of authenticators. */
export function serveLogin(app: Hono<GatewayEnv>, service: Service): void {
  servePages(app, service)
  if (!hasLogin(service)) return
  const { title } = service.settings
  const form = formOf(service)
  const links = linksOf(service)
  serveEndpoint<void>(app, service, {
    path: '/login',
    isPublic: true,
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        const next = localPath(c.req.query('next'))
        const token = form && c.req.query(form.cookieName)
        if (form !== undefined && token !== undefined && form.allowsKeyInUrl !== false) {
          return redirect(
            `${API_PATH}/auth/login?${new URLSearchParams({ [form.cookieName]: token })}`,
          )
        }
        const targets = links.map(({ path, label }) => ({
          path: `${path}?${new URLSearchParams({ next })}`,
          label,
        }))
        const [only] = targets
        if (form === undefined && targets.length === 1 && only !== undefined) {
          return redirect(only.path)
        }
        return loginAnswer(c, loginPage(title, form?.cookieName, targets, next, false), 200)
      },
      ...(form === undefined
        ? {}
        : {
            POST: async (c) => {
              requireOwnPage(c, service)
              const fields = new URLSearchParams(await bodyOf(c))
              const next = localPath(fields.get('next'))
              const key = fields.get(form.cookieName) ?? ''
              const session = begin(c, service, form, key, next)
              if (session !== undefined) return session
              if (!isPerson(c)) throw unauthorized()
              const { address, path } = credentialsOf(c, service.settings)
              service.audit?.refused('UNAUTHORIZED', undefined, { address, path })
              return loginAnswer(c, loginPage(title, form.cookieName, [], next, true), 403)
            },
          }),
    },
  })
  if (form !== undefined && form.allowsKeyInUrl !== false) {
    serveEndpoint<void>(app, service, {
      path: `${API_PATH}/auth/login`,
      isPublic: true,
      resolve: () => undefined,
      methods: {
        GET: (c) => {
          const session = begin(c, service, form, c.req.query(form.cookieName) ?? '', '/')
          if (session === undefined) throw unauthorized()
          return session
        },
      },
    })
  }
  serveLogout(app, service)
}

/** Whether people can log in on a page. */
export function hasLogin(service: Service): boolean {
  return formOf(service) !== undefined || linksOf(service).length > 0
}

function serveLogout(app: Hono<GatewayEnv>, service: Service): void {
  const { authenticators, title } = service.settings
  serveEndpoint<void>(app, service, {
    path: `${API_PATH}/auth/logout`,
    resolve: () => undefined,
    methods: {
      GET: (c) => {
        requireOwnPage(c, service)
        const cookies = authenticators.flatMap((authenticator) => {
          const { cookieName } = authenticator
          if (cookieName === undefined) return []
          const cookie = credentialsOf(c, service.settings).cookie(cookieName)
          if (cookie !== undefined) authenticator.logout?.(cookie)
          return [cookieText(c, cookieName, '', 0)]
        })
        if (formOf(service) !== undefined) return redirect('/login', cookies)
        // The login page would lead on to where somebody may still be logged in, and right back.
        for (const cookie of cookies) c.header('Set-Cookie', cookie, { append: true })
        return c.html(loggedOutPage(title))
      },
    },
  })
  serveEndpoint<void>(app, service, {
    path: '/logout',
    isPublic: true,
    resolve: () => undefined,
    methods: { GET: (c) => c.html(logoutPage(title)) },
  })
}

/** What a page of an authenticator says by its status, for the audit trail. */
const REFUSAL_OF_PAGE: { readonly [status: number]: ErrorCode } = {
  403: 'UNAUTHORIZED',
  429: 'TOO_MANY_REQUESTS',
}

/** Serves what authenticators need for a login elsewhere. */
function servePages(app: Hono<GatewayEnv>, service: Service): void {
  for (const { pages = [] } of service.settings.authenticators) {
    for (const { method, path, handle } of pages) {
      serveEndpoint<void>(app, service, {
        path,
        isPublic: true,
        resolve: () => undefined,
        methods: {
          [method]: async (c) => {
            const body = method === 'POST' ? await bodyOf(c) : undefined
            const { headers } = c.req.raw
            const init = { method, headers, ...(body === undefined ? {} : { body }) }
            const { address } = credentialsOf(c, service.settings)
            const answer = await handle(new Request(c.req.url, init), address)
            const code = REFUSAL_OF_PAGE[answer.status]
            if (code !== undefined) service.audit?.refused(code, undefined, { address, path })
            return answer
          },
        },
      })
    }
  }
}

type WithForm = Authenticator & Required<Pick<Authenticator, 'login' | 'cookieName'>>

function formOf({ settings }: Service): WithForm | undefined {
  return settings.authenticators.find(
    (authenticator): authenticator is WithForm =>
      authenticator.login !== undefined && authenticator.cookieName !== undefined,
  )
}

function linksOf({
  settings,
}: Service): readonly { readonly path: string; readonly label: string }[] {
  return settings.authenticators.flatMap(({ loginLink }) => loginLink ?? [])
}

/** Begins a session, in place of the one that the browser may have had; `undefined` when the key is refused. */
function begin(
  c: GatewayContext,
  { settings }: Service,
  form: WithForm,
  key: string,
  next: string,
): Response | undefined {
  const credentials = credentialsOf(c, settings)
  const session = form.login(key, credentials.address)
  if (session === undefined) return undefined
  const before = credentials.cookie(form.cookieName)
  if (before !== undefined) form.logout?.(before)
  const cookie = cookieText(c, form.cookieName, session.cookie, session.maxAgeSeconds)
  // After a form a browser is to GET the page that it is sent to.
  return redirect(next, [cookie], c.req.method === 'POST' ? 303 : 307)
}

function unauthorized(): WebServerError {
  return new WebServerError('UNAUTHORIZED', 'unauthorized')
}

/**
 * Another site's page could otherwise log a person in as somebody else, or out. Browsers name the origin of a form, and to
 * servers on https or loopback, whether a link is of the same site.
 * @throws WebServerError `ORIGIN_REFUSED`
 */
function requireOwnPage(c: GatewayContext, { settings }: Service): void {
  const isOurs =
    c.req.header('sec-fetch-site') !== 'cross-site' &&
    isOriginAllowed(settings, c.req.header('origin'), c.req.header('host'))
  if (isOurs) return
  throw new WebServerError('ORIGIN_REFUSED', 'this is for the pages of this server')
}

/** Where to go after the login: a path of ours, so that nobody can be led elsewhere. */
function localPath(next: string | null | undefined): string {
  return next !== null && next !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/'
}

async function bodyOf(c: GatewayContext): Promise<string> {
  return new TextDecoder().decode(await collectBody(c, MAX_FORM_BYTES))
}

function redirect(location: string, cookies: readonly string[] = [], status = 307): Response {
  const headers = new Headers({ Location: location, 'Cache-Control': 'no-store' })
  for (const cookie of cookies) headers.append('Set-Cookie', cookie)
  return new Response(null, { status, headers })
}

function cookieText(c: GatewayContext, name: string, value: string, maxAgeSeconds: number): string {
  const isSecure = c.req.url.startsWith('https:') || c.req.header('x-forwarded-proto') === 'https'
  const secure = isSecure ? '; Secure' : ''
  return `${name}=${encodeURIComponent(value)}; HttpOnly; Max-Age=${maxAgeSeconds}; Path=/; SameSite=lax${secure}`
}

function loginPage(
  title: string,
  name: string | undefined,
  links: readonly { readonly path: string; readonly label: string }[],
  next: string,
  isRefused: boolean,
): ReturnType<typeof html> {
  const refusal = isRefused
    ? html`<p role="alert">This key is not good, or was tried too often.</p>`
    : ''
  const form =
    name === undefined
      ? ''
      : html`<form method="post" action="/login">
<label>Key <input name="${name}" type="password" autocomplete="current-password" required autofocus></label>
<input type="hidden" name="next" value="${next}">
<button>Log in</button>
</form>`
  const others = links.map(({ path, label }) => html`<p><a href="${path}">${label}</a></p>`)
  return html`<!doctype html>
<meta charset="utf-8"><title>${title}: log in</title>
${refusal}${form}${others}`
}

/** Its form may be of no other page's frame, and goes nowhere else; its origin is to be named, which the server asks for. */
function loginAnswer(
  c: GatewayContext,
  page: ReturnType<typeof html>,
  status: 200 | 403,
): Response | Promise<Response> {
  return c.html(page, status, {
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'same-origin',
  })
}

function isPerson(c: GatewayContext): boolean {
  return c.req.header('accept')?.includes('text/html') === true
}

function logoutPage(title: string): ReturnType<typeof html> {
  return html`<!doctype html>
<meta charset="utf-8"><title>${title}: log out</title>
<form method="get" action="${API_PATH}/auth/logout"><button>Log out</button></form>`
}

function loggedOutPage(title: string): ReturnType<typeof html> {
  return html`<!doctype html>
<meta charset="utf-8"><title>${title}: logged out</title>
<p>You have logged out. <a href="/login">Log in</a></p>`
}
