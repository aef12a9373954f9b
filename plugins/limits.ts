import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { AppError } from '../services/errors.ts'

const MINUTE = 60_000

/** So many in so many milliseconds. */
interface Limit {
  max: number
  timeWindow: number
}

/**
 * A limit is there for the others: it must hold whoever goes wild and never be met by real business. 20 lines that are
 * all in use at once make some 80 tool calls a minute, and GHL takes 600 requests a minute for a location.
 */
const LIMITS = {
  /** Tools an assistant uses, by client: through the webhook. */
  calls: { max: 600, timeWindow: MINUTE },
  /** The same through MCP, where lists are asked for as well. A bucket of its own, as for REST: no door empties another's. */
  mcp: { max: 600, timeWindow: MINUTE },
  /** Programs, by client. */
  rest: { max: 300, timeWindow: MINUTE },
  /** Operators and their scripts, by name. */
  operators: { max: 600, timeWindow: MINUTE },
  /** Whoever shows no credential, by address: links of recordings, documents, and what a scanner looks for. */
  strangers: { max: 120, timeWindow: MINUTE },
  /** Credentials that did not fit, by address. A guess a second leaves a token of 32 bytes alone for ever. */
  guesses: { max: 300, timeWindow: 5 * MINUTE },
} satisfies Record<string, Limit>
export type LimitName = keyof typeof LIMITS

declare module 'fastify' {
  interface FastifyInstance {
    limits: {
      /** Counts a request; answers the seconds to wait if it is one too many. */
      count(name: LimitName, request: FastifyRequest): Promise<number | undefined>
      /** Counts a request. @throws AppError RATE_LIMITED if it is one too many */
      take(name: LimitName, request: FastifyRequest): Promise<void>
    }
  }
}

export interface LimitsPluginOptions {
  limits?: Partial<Record<LimitName, Limit>>
}

/**
 * The doors of calls, and of those who watch over us. All the calls of all clients come from VAPI's few addresses: one
 * number that is set up with a wrong credential must not shut out the others, so these are never refused by address.
 */
const NOT_BY_ADDRESS = /^(vapi|mcp|health)\b/

/** Addresses and clients that are remembered without Redis; the one not seen for longest is forgotten. */
const KEPT_MAX = 20_000
/** After a Redis that did not answer, so long nobody waits for it again. */
const AVOIDED_MS = 1_000

/**
 * How much anybody may ask for. Shared by all instances through Redis; without it, and while it is away, each
 * instance counts by itself: a limit is then some times as high, and nobody is refused or waits because of it.
 *
 * An `assistant-request` is never limited, nor is what happens to a call: refused, the one ends a call and the other is
 * lost. Numbers nobody has are held off by the resolver's memory and cost a generic answer.
 */
export default fp<LimitsPluginOptions>(
  async (app, options) => {
    const limits = { ...LIMITS, ...options.limits }
    const { redis } = app
    const local = await limitersIn(app, limits)
    const shared = redis && (await limitersIn(app, limits, redis))
    let avoidedUntil = 0

    async function ask(name: LimitName, request: FastifyRequest, increment = true) {
      if (shared && redis.status === 'ready' && performance.now() >= avoidedUntil) {
        try {
          return await shared[name](request, { increment })
        } catch {
          avoidedUntil = performance.now() + AVOIDED_MS
        }
      }
      return local[name](request, { increment })
    }
    async function count(name: LimitName, request: FastifyRequest) {
      const found = await ask(name, request)
      return !found.isAllowed && found.isExceeded ? Math.max(1, found.ttlInSeconds) : undefined
    }
    const refuse = (retryAfterSeconds: number) => new AppError('RATE_LIMITED', { retryAfterSeconds })
    async function take(name: LimitName, request: FastifyRequest) {
      const seconds = await count(name, request)
      if (seconds !== undefined) throw refuse(seconds)
    }
    app.decorate('limits', { count, take })

    async function byAddress(request: FastifyRequest) {
      const { authorization, 'x-call-token': callToken } = request.headers
      if (!authorization && !callToken) return take('strangers', request)
      const guesses = await ask('guesses', request, false)
      if (!guesses.isAllowed && guesses.remaining === 0) throw refuse(Math.max(1, guesses.ttlInSeconds))
    }
    // Before the guards, so that what is refused here is not looked at.
    app.addHook('onRequest', (request, _reply, done) => {
      if (NOT_BY_ADDRESS.test(request.operation)) done()
      else byAddress(request).then(() => done(), done)
    })
    app.whenEnded.push(({ request, status }) => {
      if (status === 401) ask('guesses', request).catch(() => {})
    })
  },
  { name: 'limits', dependencies: ['errors', 'redis', 'request-log'] },
)

/** What is counted together. An IPv6 customer has a /64 at least: as the library does for addresses. */
const keyOf: Record<LimitName, (request: FastifyRequest) => string> = {
  calls: ({ client }) => client?.id ?? 'nobody',
  mcp: ({ client }) => client?.id ?? 'nobody',
  rest: ({ client }) => client?.id ?? 'nobody',
  operators: ({ operator }) => operator ?? 'nobody',
  strangers: ({ ip }) => rateLimit.normalizeIP(ip),
  guesses: ({ ip }) => rateLimit.normalizeIP(ip),
}

/** One counter for each limit, in Redis or in memory. */
async function limitersIn(app: FastifyInstance, limits: Record<LimitName, Limit>, redis?: object) {
  const limiters = {} as Record<LimitName, ReturnType<FastifyInstance['createRateLimit']>>
  // In a scope of its own: the library counts in one place for each.
  await app.register(async (scope) => {
    await scope.register(rateLimit, {
      global: false,
      cache: KEPT_MAX,
      nameSpace: 'limits:',
      ...(redis && { redis }),
    })
    for (const [name, limit] of Object.entries(limits) as [LimitName, Limit][]) {
      // The library gives all of them one name in Redis.
      const keyGenerator = (request: FastifyRequest) => `${name}:${keyOf[name](request)}`
      limiters[name] = scope.createRateLimit({ ...limit, keyGenerator })
    }
  })
  return limiters
}
