/** As much of a browser as a login needs: it keeps cookies, follows redirects and fills in forms. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()
  /** Every URL that it has been at. */
  readonly visited: string[] = []

  async get(url: string): Promise<Page> {
    return this.#load(url, {})
  }

  /** Fills in the form of a page. */
  async submit(page: Page, fields: Readonly<Record<string, string>>): Promise<Page> {
    const form = /<form[^>]*action="([^"]+)"[^>]*>(.*?)<\/form>/s.exec(page.text)
    if (form === null) throw new Error(`there is no form in ${page.text}`)
    const hidden = [
      ...(form[2] as string).matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g),
    ]
    const body = new URLSearchParams(hidden.map(([, name = '', value = '']) => [name, value]))
    for (const [name, value] of Object.entries(fields)) body.set(name, value)
    return this.#load(new URL(form[1] as string, page.url).href, { method: 'POST', body })
  }

  cookie(url: string, name: string): string | undefined {
    return this.#cookies.get(new URL(url).origin)?.get(name)
  }

  async #load(url: string, init: RequestInit): Promise<Page> {
    let next = { url, init }
    for (let hops = 0; hops < 20; hops++) {
      this.visited.push(next.url)
      const { origin } = new URL(next.url)
      const jar = this.#cookies.get(origin) ?? new Map<string, string>()
      this.#cookies.set(origin, jar)
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(next.url, {
        ...next.init,
        redirect: 'manual',
        headers: { Accept: 'text/html', ...(cookie === '' ? {} : { Cookie: cookie }) },
      })
      for (const text of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
        if (value === '') jar.delete(name)
        else jar.set(name, value)
      }
      const location = response.headers.get('location')
      if (location === null) {
        return { url: next.url, status: response.status, text: await response.text() }
      }
      next = { url: new URL(location, next.url).href, init: {} }
    }
    throw new Error(`too many redirects: ${this.visited.join(' ')}`)
  }
}

export interface Page {
  readonly url: string
  readonly status: number
  readonly text: string
}
