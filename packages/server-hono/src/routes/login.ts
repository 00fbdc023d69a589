import { API_PATH, type Authenticator } from '@gw/protocol'
import type { Hono } from 'hono'
import { html } from 'hono/html'
import { WebServerError } from '../errors.js'
import { collect, credentialsOf, type GatewayContext, type GatewayEnv } from '../http/context.js'
import { serveEndpoint } from '../http/endpoint.js'
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
        if (form !== undefined && token !== undefined) {
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
        return c.html(loginPage(title, form?.cookieName, targets, next))
      },
      ...(form === undefined
        ? {}
        : {
            POST: async (c) => {
              const fields = new URLSearchParams(await bodyOf(c))
              return begin(c, form, fields.get(form.cookieName) ?? '', fields.get('next'))
            },
          }),
    },
  })
  if (form !== undefined) {
    serveEndpoint<void>(app, service, {
      path: `${API_PATH}/auth/login`,
      isPublic: true,
      resolve: () => undefined,
      methods: { GET: (c) => begin(c, form, c.req.query(form.cookieName) ?? '', null) },
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
        const cookies = authenticators.flatMap((authenticator) => {
          const { cookieName } = authenticator
          if (cookieName === undefined) return []
          const cookie = credentialsOf(c).cookie(cookieName)
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
            return handle(
              new Request(c.req.url, { method, headers, ...(body === undefined ? {} : { body }) }),
            )
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

function begin(c: GatewayContext, form: WithForm, key: string, next: string | null): Response {
  const session = form.login(key, credentialsOf(c).address)
  if (session === undefined) throw new WebServerError('UNAUTHORIZED', 'unauthorized')
  const cookie = cookieText(c, form.cookieName, session.cookie, session.maxAgeSeconds)
  // After a form a browser is to GET the page that it is sent to.
  return redirect(localPath(next), [cookie], c.req.method === 'POST' ? 303 : 307)
}

/** Where to go after the login: a path of ours, so that nobody can be led elsewhere. */
function localPath(next: string | null | undefined): string {
  return next !== null && next !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/'
}

async function bodyOf(c: GatewayContext): Promise<string> {
  const incoming = c.env?.incoming
  const bytes =
    incoming === undefined
      ? new Uint8Array(await c.req.arrayBuffer())
      : await collect(incoming, MAX_FORM_BYTES)
  return new TextDecoder().decode(bytes)
}

function redirect(location: string, cookies: readonly string[] = [], status = 307): Response {
  const headers = new Headers({ Location: location, 'Cache-Control': 'no-store' })
  for (const cookie of cookies) headers.append('Set-Cookie', cookie)
  return new Response(null, { status, headers })
}

function cookieText(c: GatewayContext, name: string, value: string, maxAgeSeconds: number): string {
  const secure = c.req.header('x-forwarded-proto') === 'https' ? '; Secure' : ''
  return `${name}=${encodeURIComponent(value)}; HttpOnly; Max-Age=${maxAgeSeconds}; Path=/; SameSite=lax${secure}`
}

function loginPage(
  title: string,
  name: string | undefined,
  links: readonly { readonly path: string; readonly label: string }[],
  next: string,
): ReturnType<typeof html> {
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
${form}${others}`
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
