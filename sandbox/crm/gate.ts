import { performance } from 'node:perf_hooks'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { foreignLocation, Refusal, unauthorized } from './errors.ts'
import type { LocationState } from './records.ts'
import type { Store } from './store.ts'
import { pathOf } from './wire.ts'

/** GoHighLevel's published burst limit, per app and location. */
export const GHL_RATE_LIMIT = { max: 100, perMs: 10_000 } as const
const DAILY_LIMIT = 200_000

const PUBLISHED_VERSIONS = ['2021-04-15', '2021-07-28', '2023-02-21', 'v3']
const FAMILY_VERSION: Readonly<Record<string, string>> = {
  contacts: '2021-07-28',
  locations: '2021-07-28',
  calendars: '2021-04-15',
  conversations: '2021-04-15',
}

export interface RateLimit {
  max: number
  perMs: number
}

/**
 * The live service takes any published version on many paths, but only the documented one is promised to go on
 * working, so the sandbox takes no other.
 */
function checkVersion(request: FastifyRequest): void {
  const { version } = request.headers
  if (version === undefined || version === '') throw unauthorized('version header was not found.')
  if (typeof version !== 'string' || !PUBLISHED_VERSIONS.includes(version)) {
    throw unauthorized('version header is invalid')
  }
  const family = pathOf(request).split('/')[1] ?? ''
  const wanted = FAMILY_VERSION[family]
  if (wanted !== undefined && version !== wanted) {
    throw unauthorized(`version header is invalid: /${family} is documented for ${wanted}, not ${version}`)
  }
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
}

/** Who asks, whether the headers are right, and how often; the answers every route relies on. */
export function createGate(store: Store, limit: RateLimit) {
  const owners = new WeakMap<FastifyRequest, LocationState>()
  const windows = new Map<string, { since: number; used: number; today: number }>()

  function count(location: LocationState, reply: FastifyReply): void {
    // Elapsed time, not the sandbox's clock: a test that freezes the clock must not freeze the limit.
    const at = performance.now()
    const window = windows.get(location.id) ?? { since: at, used: 0, today: 0 }
    windows.set(location.id, window)
    if (at - window.since >= limit.perMs) {
      window.since = at
      window.used = 0
    }
    const spent = window.used >= limit.max
    if (!spent) {
      window.used += 1
      window.today += 1
    }
    reply.headers({
      'x-ratelimit-max': String(limit.max),
      'x-ratelimit-remaining': String(limit.max - window.used),
      'x-ratelimit-interval-milliseconds': String(limit.perMs),
      'x-ratelimit-limit-daily': String(DAILY_LIMIT),
      'x-ratelimit-daily-remaining': String(DAILY_LIMIT - window.today),
    })
    if (spent) {
      const seconds = Math.max(1, Math.ceil((window.since + limit.perMs - at) / 1000))
      throw new Refusal(429, 'Too Many Requests', {}, { 'retry-after': String(seconds) })
    }
  }

  return {
    /** The location whose token this is, checked or not. */
    guess: (request: FastifyRequest): LocationState | undefined => store.byToken.get(bearerOf(request) ?? ''),

    install(app: FastifyInstance): void {
      app.addHook('preValidation', async (request, reply) => {
        checkVersion(request)
        const token = bearerOf(request)
        if (token === undefined) throw unauthorized('Invalid JWT')
        const location = store.byToken.get(token)
        if (location === undefined) throw unauthorized('Invalid Private Integration token')
        owners.set(request, location)
        count(location, reply)
      })
    },

    /** The location whose token came with the request. */
    location(request: FastifyRequest): LocationState {
      const location = owners.get(request)
      if (location === undefined) throw new Error('asked for the location of a request that passed no gate')
      return location
    },

    /** The same, when the request also names a location: it must be the token's own. */
    named(request: FastifyRequest, locationId: string): LocationState {
      const location = owners.get(request)
      if (location === undefined || location.id !== locationId) throw foreignLocation()
      return location
    },
  }
}

export type Gate = ReturnType<typeof createGate>
