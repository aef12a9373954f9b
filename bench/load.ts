/**
 * The process that makes the load, apart from the runner and from the servers. It takes one job after the other over
 * IPC and answers the figures of each.
 */
import { randomUUID } from 'node:crypto'
import autocannon from 'autocannon'
import postgres from 'postgres'
import { Agent, request } from 'undici'
import { createClientRepository } from '../services/clients/repository.ts'
import { createClientResolver } from '../services/clients/resolver.ts'
import { createDatabase } from '../services/database/pool.ts'
import { SERVER_ROLE } from '../services/database/repository.ts'
import { type Figures, figuresOf } from './figures.ts'
import { coldNumberOf } from './messages.ts'
import { clientBy, type SessionRow, upsertSession } from './statements.ts'

/** In `body`, `[<id>]` becomes unique, and `[<number>]` the phone number of the next client. */
export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT'
  path: string
  headers: Record<string, string>
  body?: string
}

/** For so many seconds, or so many answers. */
export interface Extent {
  seconds?: number
  amount?: number
}

/** Of so many clients, those that come after the first so many have been asked for. */
interface Cold {
  first: number
  clients: number
}

export type Job =
  /** As fast as it goes on so many connections, each of which sends the requests in turn. */
  | ({ kind: 'flood'; url: string; requests: HttpRequest[]; connections: number } & Extent)
  /** One after the other: each time the requests of one exchange, in order. */
  | ({ kind: 'exchanges'; url: string; exchanges: HttpRequest[][]; cold?: Cold } & Extent)
  /** One after the other: the client of the next number, straight from the database. */
  | ({ kind: 'select'; database: string; cold: Cold } & Extent)
  /** The same as a ring has it looked up: the client, ready for use. */
  | ({ kind: 'resolve'; database: string; cold: Cold } & Extent)
  /** So many at once: one row of a session each, committed by itself. */
  | ({ kind: 'upsert'; database: string; session: Omit<SessionRow, 'callId'>; atOnce: number } & Extent)

const jobs: { [K in Job['kind']]: (job: Extract<Job, { kind: K }>) => Promise<Figures> } = {
  flood({ url, requests, connections, seconds, amount }) {
    return new Promise((resolve, reject) => {
      const times: number[] = []
      // Its own duration is in whole samples of a second.
      const begun = performance.now()
      let last = begun
      const bodies = requests.map(({ path, ...rest }) => ({ ...rest, path }))
      const options = {
        url,
        requests: bodies,
        connections,
        ...(amount ? { amount } : { duration: seconds ?? 1 }),
        idReplacement: requests.some(({ body }) => body?.includes('[<id>]')),
        timeout: 20,
      }
      const running = autocannon(options as autocannon.Options, (error, result) => {
        if (error) return reject(error)
        const failures = result.errors + result.timeouts + result.non2xx
        resolve(figuresOf(times, (last - begun) / 1_000, failures))
      })
      running.on('response', (_client, status, _bytes, ms) => {
        last = performance.now()
        if (status >= 200 && status < 300) times.push(ms)
      })
    })
  },

  async exchanges({ url, exchanges, cold = { first: 0, clients: 1 }, ...extent }) {
    const dispatcher = new Agent({ connections: 1 })
    const figures = await loop(1, extent, async (n) => {
      let fine = true
      for (const { method, path, headers, body } of exchanges[n % exchanges.length] ?? []) {
        const number = coldNumberOf(cold.first + n, cold.clients)
        const filled = body?.replaceAll('[<id>]', randomUUID()).replaceAll('[<number>]', number)
        const answer = await request(`${url}${path}`, { method, headers, dispatcher, body: filled ?? null })
        await answer.body.arrayBuffer()
        fine &&= answer.statusCode < 300
      }
      return fine
    })
    await dispatcher.close()
    return figures
  },

  async select({ database, cold, ...extent }) {
    const sql = postgres(database, { max: 1, onnotice: () => {} })
    await sql`select 1`
    const figures = await loop(1, extent, async (n) => {
      const rows = await clientBy(sql, coldNumberOf(cold.first + n, cold.clients))
      return rows.length === 1
    })
    await sql.end()
    return figures
  },

  async resolve({ database, cold, ...extent }) {
    const sql = createDatabase({ url: database, role: SERVER_ROLE, max: 1 })
    const repository = createClientRepository({ sql })
    const clients = createClientResolver({ repository, max: 10_000, ttlMs: 300_000 })
    await sql`select 1`
    const figures = await loop(1, extent, async (n) => {
      const found = await clients.byNumber(coldNumberOf(cold.first + n, cold.clients))
      return found.client !== undefined && found.source === 'load'
    })
    await sql.end()
    return figures
  },

  async upsert({ database, session, atOnce, ...extent }) {
    const sql = postgres(database, { max: atOnce, onnotice: () => {} })
    await sql`select 1`
    const figures = await loop(atOnce, extent, async () => {
      await upsertSession(sql, { ...session, callId: randomUUID() })
      return true
    })
    await sql.end()
    return figures
  },
}

/** Works `atOnce` times side by side, each on the next as soon as it is done with one. */
async function loop(
  atOnce: number,
  { seconds = 3_600, amount = Number.POSITIVE_INFINITY }: Extent,
  work: (n: number) => Promise<boolean>,
): Promise<Figures> {
  const times: number[] = []
  let begunCount = 0
  let failures = 0
  const begin = performance.now()
  const end = begin + seconds * 1_000
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (begunCount < amount && performance.now() < end) {
        const begun = performance.now()
        const fine = await work(begunCount++).catch(() => false)
        if (fine) times.push(performance.now() - begun)
        else failures += 1
      }
    }),
  )
  return figuresOf(times, (performance.now() - begin) / 1_000, failures)
}

process.on('message', async (job: Job) => {
  try {
    process.send?.({ figures: await jobs[job.kind](job as never) })
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.stack : String(error) })
  }
})
process.channel?.ref()
