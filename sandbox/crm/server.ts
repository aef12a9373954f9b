import { randomUUID } from 'node:crypto'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify'
import { appointmentRoutes } from './appointments.ts'
import { calendarRoutes } from './calendars.ts'
import { contactRecordRoutes } from './contact-records.ts'
import { contactRoutes } from './contacts.ts'
import type { CrmContext } from './context.ts'
import { controlRoutes } from './control.ts'
import { conversationRoutes } from './conversations.ts'
import { Refusal, unprocessable } from './errors.ts'
import { createFaults, type Fault } from './faults.ts'
import { createGate, GHL_RATE_LIMIT, type RateLimit } from './gate.ts'
import { locationRoutes } from './locations.ts'
import { type AppSeed, createOAuth, type OAuthControls } from './oauth.ts'
import type { LedgerEntry, SandboxAppointment, SandboxContact } from './records.ts'
import { checkLocationSeed, type LocationSeed } from './seeds.ts'
import { createStore } from './store.ts'
import { ajvOptions, complaintTexts } from './validation.ts'
import { createWire, type Exchange, pathOf } from './wire.ts'

export type { Fault, FaultKind, FaultMatch } from './faults.ts'
export type {
  LedgerEntry,
  LedgerKind,
  SandboxAppointment,
  SandboxContact,
  SandboxMessage,
  SandboxNote,
  SandboxTask,
} from './records.ts'
export type { CalendarSeed, LocationSeed } from './seeds.ts'
export type { Exchange } from './wire.ts'

export interface LocationView {
  readonly id: string
  readonly name: string
  readonly timezone: string
  readonly contacts: readonly SandboxContact[]
  readonly appointments: readonly SandboxAppointment[]
}

export interface CrmSandbox {
  readonly url: string
  addLocation(seed: LocationSeed): void
  /** The live state of a location; throws on an unknown id. */
  location(id: string): LocationView
  /** Every write that was committed, in order, of all locations. */
  readonly ledger: readonly LedgerEntry[]
  /** Every request and the answer given, the last 50,000. */
  readonly exchanges: readonly Exchange[]
  /** Installs a fault; the returned function removes it. */
  fault(fault: Fault): () => void
  clearFaults(): void
  /** Consents, and tokens that end. */
  readonly oauth: OAuthControls
  /** Ends hanging requests and idle sockets too. */
  close(): Promise<void>
}

export interface CrmSandboxOptions {
  host?: string
  port?: number
  locations?: LocationSeed[]
  now?: () => Temporal.Instant
  /** Gets the one-line banner once the sandbox listens. */
  log?: (line: string) => void
  /** Requests per location; GoHighLevel's published 100 in 10 s when left out. */
  rateLimit?: RateLimit
  /** The marketplace app whose OAuth is answered; without it none is. */
  app?: AppSeed
}

function refusalOf(error: FastifyError): Refusal {
  if (error instanceof Refusal) return error
  if (error.validation) return unprocessable(...complaintTexts(error.validation))
  const status = error.statusCode ?? 500
  // A fault of the sandbox itself should be seen, not be taken for behaviour of GoHighLevel.
  return status < 500 ? new Refusal(status, error.message) : new Refusal(500, `sandbox: ${error.stack}`)
}

/** GoHighLevel's error form, and a traceId on every object it answers with. */
function installAnswers(app: FastifyInstance): void {
  app.addHook('preSerialization', async (request, _reply, payload) =>
    typeof payload === 'object' && payload !== null && !Array.isArray(payload)
      ? { ...payload, traceId: request.id }
      : payload,
  )
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const refusal = refusalOf(error)
    return reply.code(refusal.statusCode).headers(refusal.headers).send(refusal.body())
  })
}

/** A body sent to an operation that takes none is as wrong as an unknown property; `{}` does no harm. */
function refuseStrayBodies(app: FastifyInstance): void {
  app.addHook('preValidation', async (request) => {
    const takesBody = request.is404 || request.routeOptions.schema?.body !== undefined
    const { body } = request
    if (takesBody || body === undefined || body === null) return
    const names = typeof body === 'object' ? Object.keys(body) : ['body']
    if (names.length > 0) throw unprocessable(...names.map((name) => `property ${name} should not exist`))
  })
}

export async function startCrmSandbox(options: CrmSandboxOptions = {}): Promise<CrmSandbox> {
  const { host = '127.0.0.1', port = 0, now = () => Temporal.Now.instant() } = options
  const store = createStore(now)
  const addLocation = (seed: LocationSeed) => store.addLocation(checkLocationSeed(seed))
  for (const seed of options.locations ?? []) addLocation(seed)

  const faults = createFaults()
  const oauth = createOAuth(store, options.app)
  const gate = createGate(store, options.rateLimit ?? GHL_RATE_LIMIT)
  const context: CrmContext = { store, gate, now }

  const app = Fastify({
    ajv: ajvOptions,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 500 },
  })
  // Only JSON is understood; Fastify would otherwise hand text bodies through.
  app.removeContentTypeParser('text/plain')

  const wire = createWire({ faults, now, locationIdOf: (request) => gate.guess(request)?.id })
  await app.register(async (scope) => {
    const crm = scope.withTypeProvider<TypeBoxTypeProvider>()
    installAnswers(crm)
    crm.setNotFoundHandler((request) => {
      throw new Refusal(404, `Cannot ${request.method} ${pathOf(request)}`)
    })
    wire.install(crm)
    gate.install(crm)
    refuseStrayBodies(crm)
    contactRoutes(crm, context)
    contactRecordRoutes(crm, context)
    calendarRoutes(crm, context)
    appointmentRoutes(crm, context)
    conversationRoutes(crm, context)
    locationRoutes(crm, context)
  })
  await app.register(async (scope) => {
    const crm = scope.withTypeProvider<TypeBoxTypeProvider>()
    installAnswers(crm)
    wire.install(crm)
    oauth.install(crm)
  })

  const location = (id: string): LocationView => {
    const found = store.locations.get(id)
    if (found === undefined) throw new Error(`the sandbox has no location ${id}`)
    const { name, timezone, contacts, appointments } = found
    return { id, name, timezone, contacts, appointments }
  }
  await app.register(async (scope) => {
    controlRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), {
      ledger: store.ledger,
      exchanges: wire.exchanges,
      faults,
      location,
      addLocation,
    })
  })

  const url = await app.listen({ host, port })
  options.log?.(`CRM sandbox: a stand-in for tests and demos, NOT GoHighLevel, listening on ${url}`)

  return {
    url,
    addLocation,
    location,
    ledger: store.ledger,
    exchanges: wire.exchanges,
    fault(fault) {
      const id = faults.install(fault)
      return () => {
        faults.remove(id)
      }
    },
    clearFaults: () => faults.clear(),
    oauth: oauth.controls,
    async close() {
      wire.stop()
      await app.close()
    },
  }
}
