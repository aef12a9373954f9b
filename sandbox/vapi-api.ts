import { randomUUID } from 'node:crypto'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyError } from 'fastify'
import { Refusal } from './crm/errors.ts'
import { createFaults, type Fault } from './crm/faults.ts'
import { ajvOptions, complaintTexts } from './crm/validation.ts'
import { createWire, type Exchange, pathOf } from './crm/wire.ts'
import { callRoutes, type VapiCall } from './vapi/calls.ts'
import { numberRoutes, type VapiNumber } from './vapi/numbers.ts'

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
  /** A phone number of the organisation, as VAPI would hold it. */
  addNumber(number: VapiNumber): void
  readonly numbers: readonly VapiNumber[]
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

function refusalOf(error: FastifyError): Refusal {
  if (error instanceof Refusal) return error
  if (error.validation) return new Refusal(400, complaintTexts(error.validation))
  const status = error.statusCode ?? 500
  return status < 500 ? new Refusal(status, error.message) : new Refusal(500, `sandbox: ${error.stack}`)
}

/**
 * A server that behaves like the parts of api.vapi.ai this product calls: calls and their recordings, and phone
 * numbers. It refuses what VAPI's own document does not know.
 */
export async function startVapiApi(options: VapiApiOptions): Promise<VapiApi> {
  const { key, host = '127.0.0.1', port = 0, now = () => Temporal.Now.instant(), linkSeconds = 60 } = options
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

  let url = ''
  const { calls, add: addCall } = callRoutes(app, { now, url: () => url, linkSeconds })
  const { numbers, add: addNumber } = numberRoutes(app, now)

  url = await app.listen({ host, port })
  options.log?.(`VAPI sandbox: a stand-in for tests and demos, NOT api.vapi.ai, listening on ${url}`)

  return {
    url,
    addCall: (call, recording = SILENCE) => addCall(call, recording),
    calls,
    addNumber,
    numbers,
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
