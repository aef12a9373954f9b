import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import type { Owner } from '../process.ts'

/** VAPI gives up a webhook after so long: `timeoutSeconds` of the assistant's server. */
const PATIENCE_MS = 20_000
const READINESS_EVERY_MS = 500

interface Backend {
  url: string
  pool: Pool
  ready: boolean
}

/**
 * What stands before several instances in production: takes each request to one that says it is ready, in turn,
 * over connections it keeps. As proxies do by default, it tries another instance only where a request never left,
 * and tells the sender where an instance died with it.
 */
export async function startBalancer(owner: Owner) {
  const backends: Backend[] = []
  let turn = 0
  let broken = 0
  let swallow: ((body: string) => boolean) | undefined

  /** If none is ready they are all tried: somebody who is half there is better than nobody. */
  function candidates(): Backend[] {
    const ready = backends.filter((backend) => backend.ready)
    const usable = ready.length > 0 ? ready : backends
    turn += 1
    return usable.map((_, index) => usable[(index + turn) % usable.length] as Backend)
  }

  async function forward(message: IncomingMessage, body: string) {
    const { host: _, connection: __, 'content-length': ___, ...headers } = message.headers
    for (const backend of candidates()) {
      try {
        const answer = await backend.pool.request({
          path: message.url ?? '/',
          method: (message.method ?? 'GET') as 'GET',
          headers,
          body: body || null,
          signal: AbortSignal.timeout(PATIENCE_MS),
        })
        const type = String(answer.headers['content-type'] ?? 'application/json')
        return { status: answer.statusCode, type, text: await answer.body.text() }
      } catch (error) {
        const { code } = error as { code?: string }
        if (code !== 'ECONNREFUSED' && code !== 'UND_ERR_DESTROYED' && code !== 'UND_ERR_CLOSED') {
          broken += 1
          return { status: 502, type: 'text/plain', text: `the instance did not answer: ${error}` }
        }
        backend.ready = false
      }
    }
    return { status: 502, type: 'text/plain', text: 'no instance' }
  }

  async function handle(message: IncomingMessage, response: ServerResponse) {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString('utf8')
    if (swallow?.(body)) return response.end('{}')
    const { status, type, text } = await forward(message, body)
    response.writeHead(status, { 'content-type': type }).end(text)
  }

  const server = createServer((message, response) => {
    handle(message, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  const closing = new AbortController()
  const watching = (async () => {
    while (!closing.signal.aborted) {
      await Promise.all(
        backends.map(async (backend) => {
          const signal = AbortSignal.timeout(2 * READINESS_EVERY_MS)
          const answer = await backend.pool.request({ path: '/ready', method: 'GET', signal }).catch(() => {})
          await answer?.body.dump().catch(() => {})
          backend.ready = answer?.statusCode === 200
        }),
      )
      await pause(READINESS_EVERY_MS, undefined, { signal: closing.signal }).catch(() => {})
    }
  })()

  owner.teardown(async () => {
    closing.abort()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await Promise.all(backends.map(({ pool }) => pool.destroy()))
    await watching
  })

  return {
    url: `http://127.0.0.1:${port}`,
    add(url: string) {
      backends.push({ url, pool: new Pool(url, { connections: 100 }), ready: true })
    },
    /** Nothing new goes there; what is under way may finish. */
    remove(url: string) {
      const index = backends.findIndex((backend) => backend.url === url)
      const [backend] = index < 0 ? [] : backends.splice(index, 1)
      backend?.pool.close().catch(() => {})
    },
    /** Requests that an instance died with, or did not answer in time. */
    get broken() {
      return broken
    },
    /** Answers 200 to what this says, and forgets it: what the suite must notice. */
    swallow(which: (body: string) => boolean) {
      swallow = which
    },
  }
}

export type Balancer = Awaited<ReturnType<typeof startBalancer>>
