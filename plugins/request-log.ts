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
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error', stack: '' }
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

/** One line a request: operation, client, call, status and milliseconds. */
export default fp(
  async (app) => {
    app.decorateRequest('client', undefined)
    app.decorateRequest('callId', undefined)
    app.decorateRequest('operation', undefined)
    app.addHook('onResponse', async (request: FastifyRequest, reply: FastifyReply) => {
      const { operation } = request.routeOptions.config
      // Health probes come every few seconds and say nothing while they succeed.
      if (operation?.startsWith('health.') && reply.statusCode < 400) return
      request.log.info(
        {
          operation: request.operation ?? operation ?? 'unknown',
          client: request.client?.id,
          call: request.callId,
          status: reply.statusCode,
          ms: Math.round(reply.elapsedTime * 10) / 10,
        },
        'request',
      )
    })
  },
  { name: 'request-log' },
)
