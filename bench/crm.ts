import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { request } from 'undici'
import type { HttpRequest } from './load.ts'
import { calendarOf, locationOf, tokenOf } from './messages.ts'
import type { Server } from './processes.ts'
import { type Bench, startPeer } from './scenario.ts'

/** The CRM sandbox with the locations of the first so many clients, and no limit of requests. */
export function startCrm(bench: Bench, locations: number): Promise<Server> {
  const seed = Array.from({ length: locations }, (_, n) => ({
    id: locationOf(n),
    token: tokenOf(n),
    timezone: 'America/Vancouver',
    calendars: [
      {
        id: calendarOf(n),
        slotMinutes: 60,
        openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
      },
    ],
  }))
  const file = path.join(bench.directory, 'locations.json')
  writeFileSync(file, JSON.stringify(seed))
  const args = ['--port', '{port}', '--seed', file, '--rate-limit', '100000000']
  return startPeer(bench, 'sandbox/crm/main.ts', {}, args)
}

interface Exchange {
  request: {
    method: HttpRequest['method']
    path: string
    query: Record<string, string>
    headers: Record<string, string>
    body?: unknown
  }
}

/** The requests that the CRM got while `work` was done, ready to be sent again. */
export async function requestsDuring(crm: Server, work: () => Promise<unknown>): Promise<HttpRequest[]> {
  const all = async () => {
    const answer = await request(`${crm.url}/_sandbox/exchanges`)
    return (await answer.body.json()) as Exchange[]
  }
  const before = (await all()).length
  await work()
  return (await all()).slice(before).map(({ request: { method, path: where, query, headers, body } }) => {
    const search = new URLSearchParams(query).toString()
    const { authorization = '', version = '' } = headers
    return {
      method,
      path: search ? `${where}?${search}` : where,
      headers: { authorization, version, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }
  })
}
