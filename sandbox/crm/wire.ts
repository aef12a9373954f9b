import { setTimeout as wait } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from './errors.ts'
import type { Faults, Trouble } from './faults.ts'

export interface Exchange {
  readonly at: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query: Readonly<Record<string, unknown>>
    readonly headers: Readonly<Record<string, string | string[] | undefined>>
    /** The parsed JSON body; undefined when there was none or it could not be read. */
    readonly body: unknown
  }
  /** Undefined when the caller got no answer: dropped, hung, or not answered yet. */
  readonly response: { readonly status: number; readonly body: unknown } | undefined
}

type Draft = { -readonly [K in keyof Exchange]: Exchange[K] }

export interface WireOptions {
  faults: Faults
  now: () => Temporal.Instant
  /** Whose request this is, as far as can be told before any check; faults are aimed with it. */
  locationIdOf?: (request: FastifyRequest) => string | undefined
  /** Exchanges kept, the oldest go first. */
  keep?: number
}

export const pathOf = (request: FastifyRequest): string => {
  const end = request.url.indexOf('?')
  return end === -1 ? request.url : request.url.slice(0, end)
}

function readBack(payload: unknown): unknown {
  if (typeof payload !== 'string') return payload
  try {
    return JSON.parse(payload)
  } catch {
    return payload
  }
}

/**
 * A recorder and the fault switches, to be put on the wire of a Fastify scope before its routes. Faults strike after the body was read, so that a dropped request is still recorded whole, and before any other
 * check, as trouble on the way to the real service would.
 */
export function createWire(options: WireOptions) {
  const { faults, now, keep = 50_000 } = options
  const exchanges: Draft[] = []
  const drafts = new WeakMap<FastifyRequest, Draft>()
  const droppedAfterCommit = new WeakSet<FastifyRequest>()
  const closing = new AbortController()

  function install(app: FastifyInstance): void {
    app.addHook('onRequest', async (request) => {
      const draft: Draft = {
        at: now().toString(),
        request: {
          method: request.method,
          path: pathOf(request),
          query: { ...(request.query as Record<string, unknown>) },
          headers: { ...request.headers },
          body: undefined,
        },
        response: undefined,
      }
      drafts.set(request, draft)
      exchanges.push(draft)
      if (exchanges.length > keep) exchanges.splice(0, exchanges.length - keep)
    })

    app.addHook('preValidation', async (request, reply) => {
      const draft = drafts.get(request)
      if (draft) draft.request = { ...draft.request, body: request.body ?? undefined }
      const locationId = options.locationIdOf?.(request)
      const { delayMs, trouble } = faults.take({ method: request.method, path: pathOf(request), locationId })
      if (delayMs > 0) {
        try {
          await wait(delayMs, undefined, { signal: closing.signal })
        } catch {
          return drop(request, reply)
        }
      }
      return trouble === undefined ? undefined : strike(trouble, request, reply)
    })

    app.addHook('onSend', async (request, reply, payload) => {
      if (droppedAfterCommit.has(request)) {
        request.raw.socket.destroy()
        return payload
      }
      const draft = drafts.get(request)
      if (draft) draft.response = { status: reply.statusCode, body: readBack(payload) }
      return payload
    })
  }

  function drop(request: FastifyRequest, reply: FastifyReply) {
    reply.hijack()
    request.raw.socket.destroy()
    return reply
  }

  function strike(trouble: Trouble, request: FastifyRequest, reply: FastifyReply) {
    switch (trouble.type) {
      case 'hang':
        // The socket stays open and silent; it ends with the client's patience or when the server closes.
        return reply.hijack()
      case 'drop-before':
        return drop(request, reply)
      case 'drop-after-commit':
        droppedAfterCommit.add(request)
        return undefined
      case 'garbage':
        return reply.code(200).type('application/json').send('<html><body>upstream says hi</body>')
      case 'rate-limit':
        throw new Refusal(
          429,
          'Too Many Requests',
          {},
          {
            'retry-after': String(trouble.retryAfterSeconds),
            'x-ratelimit-remaining': '0',
          },
        )
      case 'status': {
        const body = trouble.body ?? new Refusal(trouble.status, 'Refused by a sandbox fault.').body()
        return reply
          .code(trouble.status)
          .headers(trouble.headers ?? {})
          .send(body)
      }
    }
  }

  return {
    install,
    exchanges: exchanges as readonly Exchange[],
    /** Ends delays that are still running; call it before closing the server. */
    stop: () => closing.abort(),
  }
}
