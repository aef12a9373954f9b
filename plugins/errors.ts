import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isDatabaseAway } from '../services/database/away.ts'
import { AppError } from '../services/errors.ts'
import { jsonRpcFailure } from '../services/mcp/json-rpc.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** In which words a failure is told. Default: a problem document. */
    dialect?: 'json-rpc'
  }
}

/** Seconds after which it makes sense to try again when the database is away. */
const RETRY_AFTER_SECONDS = 2

interface Problem {
  status: number
  code: string
  title: string
  detail?: string | undefined
  field?: string | undefined
  retryAfterSeconds?: number | undefined
  members?: Record<string, unknown> | undefined
}

/**
 * Renders every failure as a problem document (RFC 9457) with the request's id. What is not in the catalogue
 * is logged and told as "internal error": its text may hold anything.
 */
export default fp(
  async (app) => {
    app.setErrorHandler((error: FastifyError, request, reply) => {
      const problem = problemOf(error)
      // Shedding is logged once, when it begins: a stack for each request would press all the more.
      if (problem.status >= 500 && problem.code !== 'OVERLOADED')
        request.log.error({ err: error, code: problem.code, ...whatOf(request) }, 'request failed')
      return send(request, reply, problem)
    })
    app.setNotFoundHandler((request, reply) =>
      send(request, reply, {
        status: 404,
        code: 'ROUTE_UNKNOWN',
        title: new AppError('ROUTE_UNKNOWN').message,
      }),
    )
  },
  { name: 'errors' },
)

const whatOf = (request: FastifyRequest) => ({
  operation: request.operation,
  client: request.client?.id,
  call: request.callId,
})

function send(request: FastifyRequest, reply: FastifyReply, problem: Problem) {
  const { status, code, title, detail, field, retryAfterSeconds, members } = problem
  if (retryAfterSeconds !== undefined) reply.header('retry-after', Math.ceil(retryAfterSeconds))
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="1000x-agent"')
  if (request.routeOptions.config.dialect === 'json-rpc')
    return reply.code(status).send(jsonRpcFailure(problem, request.body, request.id))
  return reply
    .code(status)
    .type('application/problem+json; charset=utf-8')
    .serializer((body: unknown) => JSON.stringify(body))
    .send({
      type: 'about:blank',
      title,
      status,
      code,
      ...(detail && { detail }),
      ...(field && { errors: [{ field, detail: detail ?? title }] }),
      ...members,
      requestId: request.id,
    })
}

const INTERNAL: Problem = {
  status: 500,
  code: 'INTERNAL',
  title: 'Something went wrong on our side.',
}

function problemOf(error: FastifyError): Problem {
  // Anything can be thrown.
  if (!(error instanceof Error)) return INTERNAL
  if (error instanceof AppError) {
    return {
      status: error.status,
      code: error.code,
      title: error.message,
      detail: error.detail,
      field: error.field,
      retryAfterSeconds: error.retryAfterSeconds,
      members: error.members,
    }
  }
  if (error.validation?.[0]) {
    const [first] = error.validation
    const name = (first.params as { missingProperty?: string; additionalProperty?: string }) ?? {}
    const path = first.instancePath.split('/').slice(1)
    const field = [...path, name.missingProperty ?? name.additionalProperty].filter(Boolean).join('.')
    const what = name.additionalProperty
      ? 'is not known'
      : name.missingProperty
        ? 'is required'
        : first.message
    const detail = `${field || (error.validationContext ?? 'body')} ${what}`
    return {
      status: 400,
      code: 'INVALID_INPUT',
      title: new AppError('INVALID_INPUT').message,
      detail,
      field: field || undefined,
    }
  }
  if (isDatabaseAway(error)) {
    const { status, code, message } = new AppError('DATABASE_UNAVAILABLE')
    return { status, code, title: message, retryAfterSeconds: RETRY_AFTER_SECONDS }
  }
  const status = error.statusCode ?? 500
  if (status >= 400 && status < 500) return { status, code: error.code ?? 'REFUSED', title: error.message }
  return INTERNAL
}
