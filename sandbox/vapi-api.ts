import { randomBytes, randomUUID } from 'node:crypto'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyError } from 'fastify'
import { Refusal } from './crm/errors.ts'
import { createFaults, type Fault } from './crm/faults.ts'
import { ajvOptions, complaintTexts, digits, strict } from './crm/validation.ts'
import { createWire, type Exchange, pathOf } from './crm/wire.ts'

export interface VapiCall {
  id: string
  orgId?: string
  /** ISO 8601; now when left out. */
  createdAt?: string
  updatedAt?: string
  [other: string]: unknown
}

export interface VapiApiOptions {
  /** The private key requests must carry. */
  key: string
  host?: string
  port?: number
  now?: () => Temporal.Instant
  /** How long a recording's address stays good. */
  linkSeconds?: number
  log?: (line: string) => void
}

export interface VapiApi {
  readonly url: string
  /** `recording: false` makes a call whose recording does not exist (yet). */
  addCall(call: VapiCall, recording?: Uint8Array | false): void
  readonly calls: readonly VapiCall[]
  readonly exchanges: readonly Exchange[]
  fault(fault: Fault): () => void
  clearFaults(): void
  close(): Promise<void>
}

/** The header of a WAV file that holds one silent sample: enough for a client that checks what it got. */
const SILENCE = Buffer.from(
  '524946462600000057415645666d74201000000001000100401f0000803e00000200100064617461020000000000',
  'hex',
)

const DATE_FILTERS = {
  Gt: (order: number) => order > 0,
  Ge: (order: number) => order >= 0,
  Lt: (order: number) => order < 0,
  Le: (order: number) => order <= 0,
} as const

const text = Type.Optional(Type.String())
const listQuery = strict({
  ...{ id: text, assistantId: text, phoneNumberId: text, limit: Type.Optional(digits) },
  ...{ createdAtGt: text, createdAtGe: text, createdAtLt: text, createdAtLe: text },
  ...{ updatedAtGt: text, updatedAtGe: text, updatedAtLt: text, updatedAtLe: text },
})
const callParams = Type.Object({ id: Type.String() })
const recordingParams = Type.Object({ id: Type.String(), kind: Type.String() })

function instant(value: string, name: string): Temporal.Instant {
  try {
    return Temporal.Instant.from(value)
  } catch {
    throw new Refusal(400, [`${name} must be a valid ISO 8601 date string`])
  }
}

function isWithin(call: VapiCall, query: Readonly<Record<string, string>>): boolean {
  for (const field of ['createdAt', 'updatedAt'] as const) {
    for (const [suffix, holds] of Object.entries(DATE_FILTERS)) {
      const limit = query[field + suffix]
      if (limit === undefined) continue
      const order = Temporal.Instant.compare(
        instant(String(call[field]), field),
        instant(limit, field + suffix),
      )
      if (!holds(order)) return false
    }
  }
  return true
}

function refusalOf(error: FastifyError): Refusal {
  if (error instanceof Refusal) return error
  if (error.validation) return new Refusal(400, complaintTexts(error.validation))
  const status = error.statusCode ?? 500
  return status < 500 ? new Refusal(status, error.message) : new Refusal(500, `sandbox: ${error.stack}`)
}

/**
 * A server that behaves like the parts of api.vapi.ai this product calls: reading and deleting calls, and the
 * recordings, which VAPI hands out as a redirect to an address that soon expires.
 */
export async function startVapiApi(options: VapiApiOptions): Promise<VapiApi> {
  const { key, host = '127.0.0.1', port = 0, now = () => Temporal.Now.instant(), linkSeconds = 60 } = options
  const calls: VapiCall[] = []
  const recordings = new Map<string, Uint8Array>()
  const links = new Map<string, string>()
  const faults = createFaults()
  const wire = createWire({ faults, now })

  const app = Fastify({
    ajv: ajvOptions,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const refusal = refusalOf(error)
    return reply.code(refusal.statusCode).headers(refusal.headers).send(refusal.body())
  })
  wire.install(app)
  app.addHook('preValidation', async (request) => {
    // The storage behind the links knows no keys: whoever has the address may read.
    if (pathOf(request).startsWith('/storage/')) return
    if (request.headers.authorization !== `Bearer ${key}`) {
      throw new Refusal(401, 'Invalid Key. Hot tip, you may be using the wrong key.')
    }
  })
  app.setNotFoundHandler((request) => {
    throw new Refusal(404, `Cannot ${request.method} ${pathOf(request)}`)
  })

  const callOf = (id: string): VapiCall => {
    const call = calls.find((each) => each.id === id)
    if (call === undefined) throw new Refusal(404, `Call with id ${id} not found.`)
    return call
  }

  app.get('/call', { schema: { querystring: listQuery } }, (request) => {
    const { limit = '100', ...query } = request.query
    if (Number(limit) > 1000) throw new Refusal(400, ['limit must not be greater than 1000'])
    return calls
      .filter((call) =>
        (['id', 'assistantId', 'phoneNumberId'] as const).every(
          (field) => query[field] === undefined || call[field] === query[field],
        ),
      )
      .filter((call) => isWithin(call, query))
      .toSorted((a, b) => String(b.createdAt).localeCompare(String(a.createdAt)))
      .slice(0, Number(limit))
  })

  app.get('/call/:id', { schema: { params: callParams } }, (request) => callOf(request.params.id))

  app.delete('/call/:id', { schema: { params: callParams } }, (request) => {
    const call = callOf(request.params.id)
    calls.splice(calls.indexOf(call), 1)
    recordings.delete(call.id)
    return call
  })

  app.get(
    '/call/:id/:kind(^mono|stereo)-recording',
    { schema: { params: recordingParams } },
    (request, reply) => {
      const call = callOf(request.params.id)
      if (!recordings.has(call.id)) throw new Refusal(404, 'Recording not found.')
      const name = `${randomBytes(16).toString('hex')}.wav`
      links.set(name, call.id)
      const expires = Math.floor(now().add({ seconds: linkSeconds }).epochMilliseconds / 1000)
      return reply.redirect(`${url}/storage/${name}?expires=${expires}`, 302)
    },
  )

  app.get(
    '/storage/:name',
    { schema: { params: Type.Object({ name: Type.String() }), querystring: strict({ expires: digits }) } },
    (request, reply) => {
      const bytes = recordings.get(links.get(request.params.name) ?? '')
      if (bytes === undefined) throw new Refusal(404, 'The specified key does not exist.')
      if (now().epochMilliseconds > Number(request.query.expires) * 1000)
        throw new Refusal(403, 'Request has expired')
      return reply.type('audio/wav').send(Buffer.from(bytes))
    },
  )

  const url = await app.listen({ host, port })
  options.log?.(`VAPI sandbox: a stand-in for tests and demos, NOT api.vapi.ai, listening on ${url}`)

  return {
    url,
    addCall(call, recording = SILENCE) {
      const at = now().toString({ smallestUnit: 'millisecond' })
      calls.push({ orgId: 'sandbox', createdAt: at, updatedAt: call.createdAt ?? at, ...call })
      if (recording !== false) recordings.set(call.id, recording)
    },
    calls,
    exchanges: wire.exchanges,
    fault(fault) {
      const id = faults.install(fault)
      return () => {
        faults.remove(id)
      }
    },
    clearFaults: () => faults.clear(),
    async close() {
      wire.stop()
      await app.close()
    },
  }
}
