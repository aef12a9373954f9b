import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { request } from 'undici'
import { startVapiApi } from '../../sandbox/vapi-api.ts'
import { freePort } from '../../services/database/free-port.ts'
import { type ServerProcess, startServer } from '../process.ts'
import { startProxy, type TcpProxy } from '../proxy.ts'
import { type Balancer, startBalancer } from './balancer.ts'
import type { Cluster } from './cluster.ts'
import { type Crm, startCrm } from './crm.ts'
import { createScope, until } from './scope.ts'

export const TOKEN = 'fault-suite-webhook'
export const ADMIN_TOKEN = 'fault-suite-operator-token-0123456789'
/** Without daylight saving time: a booking's wall time says one instant. */
export const ZONE = 'America/Phoenix'
const START_SECONDS = 90
/** So many that none comes near the 100 requests in 10 s that GHL allows it. */
const BUSINESSES = 12

export interface Business {
  id: string
  number: string
  locationId: string
}

export interface Instance extends ServerProcess {
  url: string
  /** Waits for the end; false if it did not come within `seconds`. */
  gone(seconds: number): Promise<boolean>
}

export interface WorldOptions {
  cluster: Cluster
  instances?: number
  businesses?: number
  /** Puts something before the database, behind our proxy; answers its address. */
  through?: (databaseUrl: string) => Promise<string>
  /** Variables over those of the suite, made with the database's address as the servers reach it, and its own. */
  env?: (databaseUrl: string, direct: string) => Record<string, string | undefined>
}

/** One scenario's own world: a database behind a proxy, a CRM, a load balancer, and instances behind it. */
export async function openWorld(options: WorldOptions) {
  const scope = createScope()
  try {
    return await build(options, scope)
  } catch (error) {
    await scope.close()
    throw error
  }
}

async function build(options: WorldOptions, scope: ReturnType<typeof createScope>) {
  const { cluster } = options
  let databaseUrl = await cluster.createDatabase()
  const database: TcpProxy = await startProxy((await options.through?.(databaseUrl)) ?? databaseUrl)
  scope.teardown(() => database.close())
  const crm: Crm = await startCrm(scope)
  const vapi = await startVapiApi({ key: 'fault-suite-vapi' })
  scope.teardown(() => vapi.close())
  const balancer: Balancer = await startBalancer(scope)
  const instances: Instance[] = []

  // The suite's own look at the database goes past the proxy.
  const look = () =>
    postgres(databaseUrl, { max: 2, onnotice: () => {}, connection: { statement_timeout: 30_000 } })
  let sql = look()
  scope.teardown(() => sql.end({ timeout: 0 }))

  async function startInstance(): Promise<Instance> {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const server = startServer(scope, {
      NODE_ENV: 'production',
      LOG_LEVEL: 'warn',
      PORT: String(port),
      PUBLIC_URL: balancer.url,
      DATABASE_URL: database.url,
      VAPI_WEBHOOK_TOKEN: TOKEN,
      VAPI_CREDENTIAL_ID: 'fault-suite',
      VAPI_API_KEY: 'fault-suite-vapi',
      VAPI_BASE_URL: vapi.url,
      GHL_BASE_URL: crm.url,
      GHL_MCP_URL: `${crm.url}/mcp/`,
      ENCRYPTION_KEY: '5a'.repeat(32),
      ADMIN_TOKEN: `suite:${ADMIN_TOKEN}`,
      ...options.env?.(database.url, databaseUrl),
    })
    const instance: Instance = {
      ...server,
      url,
      gone: (seconds) => Promise.race([server.ended.then(() => true), pause(seconds * 1_000, false)]),
    }
    if (process.env.FAULTS_LOGS) scope.teardown(() => keepLogs(server, process.env.FAULTS_LOGS ?? ''))
    let ended = false
    void server.ended.then(() => {
      ended = true
    })
    const ready = await until(async () => {
      if (ended) throw new Error(`an instance ended while it started: ${reason(server)}`)
      const answer = await request(`${url}/ready`, { signal: AbortSignal.timeout(2_000) }).catch(() => {})
      await answer?.body.dump()
      return answer?.statusCode === 200
    }, START_SECONDS)
    if (!ready) throw new Error(`an instance was not ready within ${START_SECONDS} s: ${text(server.logs)}`)
    instances.push(instance)
    balancer.add(url)
    return instance
  }

  // The first makes the schema; the others find it.
  for (let n = 0; n < (options.instances ?? 2); n++) await startInstance()
  const businesses: Business[] = []
  const addBusinesses = async (count: number) => {
    for (let n = 0; n < count; n++) businesses.push(await addBusiness(sql, crm, businesses.length))
  }
  await addBusinesses(options.businesses ?? BUSINESSES)

  const world = {
    scope,
    database,
    crm,
    balancer,
    instances,
    businesses,
    addBusinesses,
    startInstance,
    /** Past the proxy, as the owner of everything. */
    get sql() {
      return sql
    },
    databaseUrl: () => databaseUrl,
    /** The cluster has another address since it was started again. */
    async moved() {
      databaseUrl = cluster.addressOf(databaseUrl)
      database.retarget(databaseUrl)
      await sql.end({ timeout: 0 })
      sql = look()
    },
    /** SIGKILL, as an out-of-memory killer does it. */
    async kill(instance: Instance) {
      instance.child.kill('SIGKILL')
      await instance.ended
      balancer.remove(instance.url)
      instances.splice(instances.indexOf(instance), 1)
    },
    /** SIGTERM, as a deployment does it. Answers exit code and signal; undefined if it did not end in time. */
    async stop(instance: Instance, seconds = 60) {
      instance.child.kill('SIGTERM')
      const gone = await instance.gone(seconds)
      balancer.remove(instance.url)
      instances.splice(instances.indexOf(instance), 1)
      return gone ? await instance.ended : undefined
    },
    /** Has every instance know every business: what is known is answered from memory later. */
    async warmUp() {
      for (const { url } of instances) {
        for (const { number } of businesses) {
          const known = () => ring(url, number)
          if (!(await until(known, 20))) throw new Error('an instance does not know a business')
          // What is read while a change is announced is not kept: once more, after it.
          await pause(20)
          await known()
        }
      }
    },
    /** A request of the operator's; answers the body. */
    async operate(method: 'GET' | 'POST', path: string, body?: object) {
      const answer = await request(`${balancer.url}/admin${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        body: body ? JSON.stringify(body) : null,
      })
      const text = await answer.body.text()
      if (answer.statusCode !== 200) throw new Error(`${method} /admin${path}: ${answer.statusCode} ${text}`)
      return JSON.parse(text)
    },
    close: () => scope.close(),
  }
  await world.warmUp()
  return world
}

export type World = Awaited<ReturnType<typeof build>>

async function addBusiness(sql: postgres.Sql, crm: Crm, n: number): Promise<Business> {
  const suffix = String(n + 1).padStart(4, '0')
  const locationId = `FaultsLocation00${suffix}`
  const calendarId = `FaultsCalendar00${suffix}`
  const number = `+1602555${suffix}`
  await crm.addLocation({
    id: locationId,
    token: `pit-faults-${suffix}`,
    timezone: ZONE,
    calendars: [
      {
        id: calendarId,
        slotMinutes: 15,
        openHours: [{ days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00' }],
      },
    ],
  })
  const [row] = await sql<{ id: string }[]>`
    insert into clients (client_name, twilio_number, ghl_token, location_id, calendar_id, timezone)
    values (${`Business ${suffix}`}, ${number}, ${`pit-faults-${suffix}`}, ${locationId}, ${calendarId}, ${ZONE})
    returning id`
  return { id: row?.id ?? '', number, locationId }
}

async function ring(url: string, number: string): Promise<boolean> {
  const answer = await request(`${url}/vapi/webhooks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ message: { type: 'assistant-request', phoneNumber: { number } } }),
  })
  const body = (await answer.body.json()) as { assistant?: { metadata?: { clientId?: string } } }
  return body.assistant?.metadata?.clientId !== undefined
}

/** For whoever wants to know why: with FAULTS_LOGS=<directory> what each instance logged stays there. */
async function keepLogs({ child, logs, stderr }: ServerProcess, directory: string) {
  await mkdir(directory, { recursive: true })
  const lines = logs.map((line) => JSON.stringify(line))
  await writeFile(path.join(directory, `${child.pid}.log`), `${[...lines, stderr()].join('\n')}\n`)
}

/** The line of an uncaught error that says which. */
const reason = ({ stderr, logs }: ServerProcess) =>
  /^\w*Error.*$/m.exec(stderr())?.[0] ?? (stderr().trim() || text(logs))

/** The end of what a server has logged, for an error message. */
const text = (logs: readonly Record<string, unknown>[]) =>
  logs
    .slice(-5)
    .map((line) => JSON.stringify(line))
    .join('\n')
