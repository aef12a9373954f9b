import type { FastifyInstance } from 'fastify'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { buildApp, type Overrides } from '../app.ts'
import { loadConfig } from '../config.ts'
import { type CrmSandbox, type LocationSeed, startCrmSandbox } from '../sandbox/crm/server.ts'
import { createPlayer, type PlayerOptions } from '../sandbox/player.ts'
import { startVapiApi, type VapiApi } from '../sandbox/vapi-api.ts'
import { createClientRepository, type NewClient } from '../services/clients/repository.ts'
import { createDatabase, type Database } from '../services/database/pool.ts'
import { keepForContract, keepWebhook } from './contract.ts'

export const TOKEN = 'test-webhook-token'
export const VAPI_KEY = 'test-vapi-key'
/** Its name in the audit log is `tests`. */
export const ADMIN_TOKEN = 'test-admin-token'
export const ENCRYPTION_KEY = '0123456789abcdef'.repeat(4)
export const PUBLIC_URL = 'https://agent.example.com'
/** Friday, 2026-08-21, 8:00 in Vancouver. */
export const NOW = Temporal.Instant.from('2026-08-21T15:00:00Z')
export const CALENDAR = 'TestCalendar00000001'

let databases = 0
let fileDatabase: Promise<string> | undefined

function serverUrl(): { server: string; template: string } {
  const { TEST_DATABASE_URL: server, TEST_TEMPLATE: template } = process.env
  if (!server || !template) throw new Error('Run the tests with npm test: it starts their database.')
  return { server, template }
}

/** A new database made from the migrated template, or an empty one; dropped when the test file is done. */
export async function createTestDatabase(from: 'template' | 'empty' = 'template'): Promise<string> {
  const { server, template } = serverUrl()
  const admin = postgres(server, { max: 1, onnotice: () => {} })
  // Ends with the number of the run, by which what is left over is found.
  const name = `agent_test_${process.pid}_${++databases}_${template.split('_').at(-1)}`
  if (from === 'template') await admin`create database ${admin(name)} template ${admin(template)}`
  else await admin`create database ${admin(name)}`
  await admin.end()
  t.teardown(async () => {
    const again = postgres(server, { max: 1, onnotice: () => {} })
    await again`drop database if exists ${again(name)} with (force)`
    await again.end()
  })
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

export interface HarnessOptions {
  /** Environment variables over those of the harness; undefined takes one away. */
  env?: Record<string, string | undefined>
  overrides?: Overrides
  /** A moving clock for tests that wait for real ones; the default stands still at NOW. */
  now?: () => Temporal.Instant
  crm?: Parameters<typeof startCrmSandbox>[0]
  /** A database other than the file's own. */
  databaseUrl?: string
}

export interface Harness {
  app: FastifyInstance
  crm: CrmSandbox
  vapi: VapiApi
  /** Everything that was logged, parsed. */
  logs: Record<string, unknown>[]
  /** A business with a location in the CRM sandbox: a number, a token and a calendar of its own. */
  addClient(change?: Partial<NewClient>, location?: Partial<LocationSeed>): Promise<TestClient>
  /** Posts to the webhook with the right token. */
  webhook(
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ statusCode: number; json: () => unknown; headers: Record<string, unknown> }>
  /** A phone call over real HTTP to a listening server. */
  call(
    client: Pick<TestClient, 'number'>,
    options?: Partial<PlayerOptions>,
  ): Promise<ReturnType<typeof createPlayer>>
  close(): Promise<void>
}

export interface TestClient {
  id: string
  number: string
  locationId: string
  token: string
}

let clientCount = 0

const owners = new WeakMap<FastifyInstance, Database>()

/** The server's database as its owner: every row of every table, the queue's too. The server itself sees less. */
export function asOwner(app: FastifyInstance): Database {
  const owner = owners.get(app) ?? createDatabase({ url: app.database.url })
  owners.set(app, owner)
  return owner
}

/** The whole server on a database of this test file, with the CRM sandbox and a stand-in for VAPI's API. */
export async function build(t: Test, options: HarnessOptions = {}): Promise<Harness> {
  fileDatabase ??= createTestDatabase()
  const now = options.now ?? (() => NOW)
  const crm = await startCrmSandbox({ now, rateLimit: { max: 1_000_000, perMs: 10_000 }, ...options.crm })
  const vapi = await startVapiApi({ key: VAPI_KEY })
  const logs: Record<string, unknown>[] = []
  const env: Record<string, string | undefined> = {
    NODE_ENV: 'test',
    PORT: '0',
    HOST: '127.0.0.1',
    PUBLIC_URL,
    DATABASE_URL: options.databaseUrl ?? (await fileDatabase),
    VAPI_WEBHOOK_TOKEN: TOKEN,
    ADMIN_TOKEN: `tests:${ADMIN_TOKEN}`,
    ENCRYPTION_KEY,
    VAPI_API_KEY: VAPI_KEY,
    VAPI_BASE_URL: vapi.url,
    GHL_BASE_URL: crm.url,
    ...options.env,
  }
  const app = await buildApp(loadConfig(env), {
    clock: now,
    jobs: { retryDelaySeconds: 1 },
    // The machine the tests run on may be pressed; the server in them is not.
    pressure: { reading: () => ({ delayMs: 0, utilization: 0, memory: 0 }) },
    // As the sandbox: what GHL allows a location is the subject of tests of its own.
    ghl: { requests: { live: 1_000_000, background: 1_000_000 } },
    logStream: { write: (line) => void logs.push(JSON.parse(line)) },
    ...options.overrides,
  })
  const clients = createClientRepository({ sql: app.sql, secrets: app.secrets })
  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    await app.close()
    await owners.get(app)?.end()
    for (const { request } of crm.exchanges) keepForContract({ kind: 'ghl', request })
    for (const { request } of vapi.exchanges)
      if (!request.path.startsWith('/storage/')) keepForContract({ kind: 'vapi-api', request })
    await Promise.all([crm.close(), vapi.close()])
  }
  t.teardown(close)

  return {
    app,
    crm,
    vapi,
    logs,
    close,
    async addClient(change = {}, location = {}) {
      clientCount += 1
      const suffix = String(clientCount).padStart(4, '0')
      const locationId = `TestLocation0000${suffix}`
      const token = `pit-test-${process.pid}-${suffix}`
      const timezone = location.timezone ?? change.timezone ?? 'America/Vancouver'
      crm.addLocation({
        id: locationId,
        token,
        timezone,
        calendars: [
          {
            id: `${CALENDAR.slice(0, -4)}${suffix}`,
            slotMinutes: 30,
            openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '09:00', to: '17:00' }],
          },
        ],
        ...location,
      })
      const client: NewClient = {
        client_name: 'Riverside Plumbing',
        twilio_number: `+1778555${suffix}`,
        ghl_token: token,
        location_id: locationId,
        calendar_id: `${CALENDAR.slice(0, -4)}${suffix}`,
        timezone,
        ...change,
      }
      const id = await clients.put(client)
      return { id, number: client.twilio_number, locationId, token }
    },
    async webhook(body, headers = {}) {
      const response = await app.inject({
        method: 'POST',
        url: '/vapi/webhooks',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
        payload: typeof body === 'string' ? body : JSON.stringify(body),
      })
      keepWebhook(body, response.statusCode, response.json())
      return response
    },
    async call(client, callOptions = {}) {
      if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 })
      const address = app.server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      const webhookUrl = `http://127.0.0.1:${port}/vapi/webhooks`
      return createPlayer({
        webhookUrl,
        serverUrl: webhookUrl,
        token: TOKEN,
        called: client.number,
        caller: '+12505550188',
        now,
        onExchange: (request, played) => keepWebhook(request, played.status, played.body),
        ...callOptions,
      })
    },
  }
}

/** Waits until `check` answers something truthy, and answers that. Fails loudly after `seconds`. */
export async function eventually<T>(
  check: () => T | Promise<T>,
  what: string,
  seconds = 20,
): Promise<Exclude<T, null | undefined | false>> {
  const deadline = performance.now() + seconds * 1_000
  for (;;) {
    const value = await check()
    if (value) return value as Exclude<T, null | undefined | false>
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
