import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

type Ranges = Readonly<Record<string, string>>

interface PublishedManifest {
  readonly dist: { tarball: string }
  readonly dependencies?: Ranges
  readonly peerDependencies?: Ranges
  readonly devDependencies?: Ranges
}

/** A package as npm's registry protocol carries it: the manifests by version, and the tarballs when it is published. */
interface Packument {
  readonly name: string
  readonly versions: Record<string, PublishedManifest>
  readonly 'dist-tags': Record<string, string>
  _attachments?: Record<string, { readonly data: string }>
}

/**
 * A registry on loopback, for one test: takes what `npm publish` sends, gives it to `npm install`, and sends requests
 * for packages that it does not have on to the real one. (verdaccio needs a newer Node than we support.)
 */
export async function startRegistry(upstream: string): Promise<{
  readonly url: string
  readonly published: ReadonlyMap<string, Packument>
  stop(): Promise<void>
}> {
  const published = new Map<string, Packument>()
  const tarballs = new Map<string, Buffer>()
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://registry').pathname).slice(
      1,
    )
    const own = published.get(path)
    const tarball = tarballs.get(path)
    if (request.method === 'PUT') {
      publish(JSON.parse((await bodyOf(request)).toString()) as Packument)
      response.writeHead(201, { 'content-type': 'application/json' }).end('{"ok":true}')
    } else if (tarball !== undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(tarball)
    } else if (own !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(own))
    } else if (path.startsWith('@gw/') || request.method !== 'GET') {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
    } else {
      response.writeHead(302, { location: new URL(request.url ?? '/', upstream).href }).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  function publish(sent: Packument): void {
    const known = published.get(sent.name)
    for (const [name, { data }] of Object.entries(sent._attachments ?? {})) {
      tarballs.set(`tarballs/${name}`, Buffer.from(data, 'base64'))
      for (const manifest of Object.values(sent.versions)) {
        manifest.dist.tarball = `${url}tarballs/${encodeURIComponent(name)}`
      }
    }
    delete sent._attachments
    published.set(sent.name, {
      ...sent,
      versions: { ...known?.versions, ...sent.versions },
      'dist-tags': { ...known?.['dist-tags'], ...sent['dist-tags'] },
    })
  }

  return {
    url,
    published,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
