import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import pino from 'pino'
import type { Client } from '../services/clients/client.ts'
import type { ErrorTap } from '../services/error-tap.ts'
import { maskNumbers } from '../services/scrub.ts'

/** A request that is over. */
interface Ended {
  readonly request: FastifyRequest
  /** One of the few names of what this server does; `unknown` where there is no route. */
  readonly operation: string
  readonly status: number
  readonly ms: number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The business this request is about, once it is known. */
    client: Client | undefined
    /** VAPI's id of the call this request is about, once it is known. */
    callId: string | undefined
    /** What is done: at first what the route says, and more where a message tells more. */
    operation: string
  }
  interface FastifyInstance {
    /** What each route does: `POST /tools/send_sms` → `tools.send_sms`. A route that does not say cannot be added. */
    operations: Map<string, string>
    /** Told of every request when it is over, once. */
    whenEnded: ((ended: Ended) => void)[]
  }
  interface FastifyContextConfig {
    /** Name of what the route does, in logs and metrics. */
    operation?: string
  }
}

const ERROR_LEVEL = 50

/** Lines go out together, this often at least: one write for each would take longer than to make them. */
const LOG_EVERY_MS = 200
const LOG_WRITE_BYTES = 8 * 1024
/** A reader that hangs must not fill the memory: what is beyond is dropped. */
const LOG_WAITING_BYTES_MAX = 32 * 1024 * 1024

/** Standard output. Written to the end when the process exits, also of an error; a kill takes what is not out yet. */
function output() {
  return pino.destination({
    dest: 1,
    sync: false,
    minLength: LOG_WRITE_BYTES,
    maxLength: LOG_WAITING_BYTES_MAX,
    periodicFlush: LOG_EVERY_MS,
  })
}

/**
 * Options of the logger. Of an error only what names it is printed: drivers and clients hang queries, bodies
 * and headers on their errors, and those hold callers and tokens.
 */
export function loggerOptions(
  level: string,
  stream: { write(line: string): void } = output(),
  tap: ErrorTap = {},
): NonNullable<FastifyServerOptions['logger']> {
  return {
    level,
    serializers: { err: printableError },
    hooks: {
      logMethod(args, method, at) {
        const [facts, message] = args as unknown[]
        if (at >= ERROR_LEVEL && typeof facts === 'object' && facts !== null)
          tap.onError?.(facts as Record<string, unknown>, String(message))
        method.apply(this, args)
      },
    },
    stream,
  }
}

export function printableError(error: unknown): { type: string; message: string; stack: string } {
  if (!(error instanceof Error)) {
    // The queue's events are errors spread into plain objects.
    const { message } = (error ?? {}) as { message?: unknown }
    return {
      type: typeof error,
      message: typeof message === 'string' ? maskNumbers(message) : 'not an error',
      stack: '',
    }
  }
  const { code, status, operation, outcome } = error as Error & Record<string, unknown>
  return {
    type: error.name,
    message: maskNumbers(error.message),
    ...(code !== undefined && { code }),
    ...(status !== undefined && { status }),
    ...(operation !== undefined && { operation, outcome }),
    stack: maskNumbers(error.stack ?? ''),
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
    app.decorateRequest('operation', '')
    app.decorate('operations', new Map())
    app.decorate('whenEnded', [])
    app.addHook('onRoute', ({ config, method, schema, url }) => {
      // Fastify's own companions of GET routes.
      if (method === 'HEAD') return
      const operation = config?.operation
      if (!operation || !schema) throw new Error(`${method} ${url} has no operation or no schema`)
      for (const each of [method].flat()) app.operations.set(`${each} ${url}`, operation)
    })
    const ended = (request: FastifyRequest, reply: FastifyReply, status: number) => {
      const { operation } = request
      const elapsed = reply.elapsedTime
      for (const tell of app.whenEnded) tell({ request, operation, status, ms: elapsed })
      // Health probes come every few seconds and say nothing while they succeed.
      if (operation.startsWith('health.') && status < 400) return
      const ms = Math.round(elapsed * 10) / 10
      request.log.info({ operation, client: request.client?.id, call: request.callId, status, ms }, 'request')
    }
    app.addHook('onRequest', (request, reply, done) => {
      // Asked for once: Fastify makes an object of all a route is for each who asks.
      request.operation = request.routeOptions.config.operation ?? 'unknown'
      const { raw } = reply
      let over = false
      const end = (status: number) => {
        if (!over) ended(request, reply, status)
        over = true
      }
      raw.on('finish', () => end(reply.statusCode))
      // Whoever hangs up gets no whole response. A refusal is one all the same: of what is too large we read no more,
      // and its sender may be gone before he has ours.
      raw.on('close', () => {
        const refused = raw.writableEnded && reply.statusCode >= 400
        end(refused ? reply.statusCode : CALLER_LEFT)
      })
      done()
    })
  },
  { name: 'request-log' },
)
