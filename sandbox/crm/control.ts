import { Type } from '@sinclair/typebox'
import type { CrmApp } from './context.ts'
import { Refusal } from './errors.ts'
import type { Fault, Faults } from './faults.ts'
import type { LedgerEntry } from './records.ts'
import type { LocationSeed } from './seeds.ts'
import { checkLocationSeed } from './seeds.ts'
import { digits, oneOf, someText, strict } from './validation.ts'
import type { Exchange } from './wire.ts'

export interface Controls {
  ledger: readonly LedgerEntry[]
  exchanges: readonly Exchange[]
  faults: Faults
  location(id: string): unknown
  addLocation(seed: LocationSeed): void
}

const millis = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })

/** A fault as JSON: where a RegExp is wanted, `pathPattern` carries its source. */
const faultBody = strict({
  match: Type.Optional(
    strict({
      method: Type.Optional(someText),
      path: Type.Optional(someText),
      pathPattern: Type.Optional(someText),
      locationId: Type.Optional(someText),
    }),
  ),
  times: Type.Optional(Type.Integer({ minimum: 1 })),
  kind: Type.Union([
    strict({ type: Type.Literal('delay'), ms: millis }),
    strict({
      type: Type.Literal('status'),
      status: Type.Integer({ minimum: 200, maximum: 599 }),
      body: Type.Optional(Type.Unknown()),
      headers: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
    strict({ type: Type.Literal('rate-limit'), retryAfterSeconds: Type.Integer({ minimum: 0 }) }),
    strict({ type: oneOf(['hang', 'drop-before', 'drop-after-commit', 'garbage']) }),
  ]),
})

const idParams = Type.Object({ id: Type.String() })
const pageQuery = strict({ after: Type.Optional(digits) })

function isLoopback(address: string | undefined): boolean {
  const plain = address?.replace(/^::ffff:/, '')
  return plain === '::1' || plain?.startsWith('127.') === true
}

function pathPattern(source: string): RegExp {
  try {
    return new RegExp(source)
  } catch (cause) {
    throw new Refusal(422, [`pathPattern is not a regular expression: ${String(cause)}`])
  }
}

/**
 * What a test in another process drives the sandbox with. No token, but only from this machine; these requests are
 * neither recorded nor spoiled by faults.
 */
export function controlRoutes(app: CrmApp, controls: Controls): void {
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    reply.code(error.statusCode ?? 400).send({ statusCode: error.statusCode ?? 400, message: error.message }),
  )
  app.addHook('onRequest', async (request) => {
    if (!isLoopback(request.socket.remoteAddress))
      throw new Refusal(403, 'The controls answer this machine only.')
  })

  app.get('/_sandbox/ledger', { schema: { querystring: pageQuery } }, (request) =>
    controls.ledger.slice(Number(request.query.after ?? 0)),
  )
  app.get('/_sandbox/exchanges', { schema: { querystring: pageQuery } }, (request) =>
    controls.exchanges.slice(Number(request.query.after ?? 0)),
  )

  app.get('/_sandbox/locations/:id', { schema: { params: idParams } }, (request) =>
    controls.location(request.params.id),
  )
  app.post('/_sandbox/locations', (request, reply) => {
    const seed = checkLocationSeed(request.body)
    controls.addLocation(seed)
    return reply.code(201).send({ id: seed.id })
  })

  app.get('/_sandbox/faults', () => controls.faults.list())
  app.post('/_sandbox/faults', { schema: { body: faultBody } }, (request, reply) => {
    const { match, ...rest } = request.body
    const { pathPattern: source, ...plain } = match ?? {}
    const fault: Fault = {
      ...rest,
      match: { ...plain, ...(source === undefined ? {} : { path: pathPattern(source) }) },
    }
    return reply.code(201).send({ id: controls.faults.install(fault) })
  })
  app.delete('/_sandbox/faults', (_request, reply) => {
    controls.faults.clear()
    return reply.code(204).send()
  })
  app.delete('/_sandbox/faults/:id', { schema: { params: idParams } }, (request, reply) => {
    if (!controls.faults.remove(request.params.id)) throw new Refusal(404, `no fault ${request.params.id}`)
    return reply.code(204).send()
  })
}
