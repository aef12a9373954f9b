import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Client } from '../services/clients/client.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The business this request is about, once it is known. */
    client: Client | undefined
    /** VAPI's id of the call this request is about, once it is known. */
    callId: string | undefined
    /** What is done, where that is more than the route tells. */
    operation: string | undefined
  }
  interface FastifyInstance {
    /** What each route does: `POST /tools/send_sms` → `tools.send_sms`. A route that does not say cannot be added. */
    operations: Map<string, string>
  }
  interface FastifyContextConfig {
    /** Name of what the route does, in logs and metrics. */
    operation?: string
  }
}

/**
 * Options of the logger. Of an error only what names it is printed: drivers and clients hang queries, bodies
 * and headers on their errors, and those hold callers and tokens.
 */
export function loggerOptions(
  level: string,
  stream?: { write(line: string): void },
): NonNullable<FastifyServerOptions['logger']> {
  return { level, serializers: { err: printableError }, ...(stream && { stream }) }
}

export function printableError(error: unknown): { type: string; message: string; stack: string } {
  if (!(error instanceof Error)) {
    // The queue's events are errors spread into plain objects.
    const { message } = (error ?? {}) as { message?: unknown }
    return {
      type: typeof error,
      message: typeof message === 'string' ? message : 'not an error',
      stack: '',
    }
  }
  const { code, status, operation, outcome } = error as Error & Record<string, unknown>
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(status !== undefined && { status }),
    ...(operation !== undefined && { operation, outcome }),
    stack: error.stack ?? '',
    ...(error.cause !== undefined && { cause: printableError(error.cause) }),
  }
}

/** Status for the log of a request whose sender did not wait; the number is that of nginx. */
const CALLER_LEFT = 499

/** One line a request: operation, client, call, status and milliseconds. */
export default fp(
  async (app) => {
    app.decorateRequest('client', undefined)
    app.decorateRequest('callId', undefined)
    app.decorateRequest('operation', undefined)
    app.decorate('operations', new Map())
    app.addHook('onRoute', ({ config, method, schema, url }) => {
      // Fastify's own companions of GET routes.
      if (method === 'HEAD') return
      const operation = config?.operation
      if (!operation || !schema) throw new Error(`${method} ${url} has no operation or no schema`)
      for (const each of [method].flat()) app.operations.set(`${each} ${url}`, operation)
    })
    const line = (request: FastifyRequest, reply: FastifyReply, status: number) => {
      const { operation } = request.routeOptions.config
      // Health probes come every few seconds and say nothing while they succeed.
      if (operation?.startsWith('health.') && status < 400) return
      request.log.info(
        {
          operation: request.operation ?? operation ?? 'unknown',
          client: request.client?.id,
          call: request.callId,
          status,
          ms: Math.round(reply.elapsedTime * 10) / 10,
        },
        'request',
      )
    }
    app.addHook('onRequest', async (request, reply) => {
      let written = false
      const once = (status: number) => {
        if (!written) line(request, reply, status)
        written = true
      }
      reply.raw.once('finish', () => once(reply.statusCode))
      // Whoever hangs up gets no whole response.
      reply.raw.once('close', () => once(CALLER_LEFT))
    })
  },
  { name: 'request-log' },
)
