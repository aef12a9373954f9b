import { setTimeout as pause } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Priority } from '../lanes.ts'
import { createLru } from '../lru.ts'
import { NotSent } from '../upstream.ts'

/** GHL allows 100 requests in 10 s for each location; the rest is for what others do there with the same app. */
const PER_MS = 10_000
const REQUESTS: Record<Priority, number> = {
  live: 80,
  // Only while half of it is free: whoever phones finds the other half.
  background: 40,
}

/**
 * For how long a request waits for its turn. Live, it is what a caller bears beside everything else; a job that
 * has to wait longer comes back later instead of keeping a worker.
 */
const PATIENCE_MS: Record<Priority, number> = { live: 3_000, background: 1_000 }

const LOCATIONS_MAX = 10_000
/** After Redis has failed to answer it is left alone for so long, and with it everybody who would wait for it. */
const REDIS_REST_MS = 1_000

/**
 * The requests of a location in the last 10 s, as a log of their times. The answer is 0 where one more is allowed
 * and noted, else the milliseconds until one may be. A counter that starts anew every 10 s, as the usual limiters
 * keep it, would let 160 requests pass around the turn of its window, and count those that it refused.
 */
const TAKE = `
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('zremrangebyscore', KEYS[1], 0, now - window)
local used = redis.call('zcard', KEYS[1])
if used >= limit then
  local oldest = redis.call('zrange', KEYS[1], used - limit, used - limit, 'withscores')
  return math.max(1, oldest[2] + window - now)
end
redis.call('zadd', KEYS[1], now, time[1] .. ':' .. time[2] .. ':' .. used)
redis.call('pexpire', KEYS[1], window)
return 0`

export interface BudgetOptions {
  /** Where the instances keep count together; without it, or while it does not answer, each counts for itself. */
  redis?: Pick<Redis, 'eval' | 'status'> | undefined
  perMs?: number
  requests?: Record<Priority, number>
  /** Milliseconds that only grow. */
  now?: () => number
}

export interface Turn {
  locationId: string
  priority: Priority
  operation: string
  signal: AbortSignal
}

/**
 * How many requests may go to GHL, by location: clients that share one share its limit.
 */
export function createBudget(options: BudgetOptions = {}) {
  const { redis, perMs = PER_MS, requests = REQUESTS, now = () => performance.now() } = options
  const logs = createLru<number[]>(LOCATIONS_MAX)
  /** Locations that GHL itself said had enough, and until when. */
  const refused = createLru<true>(LOCATIONS_MAX, { ttl: perMs })
  let redisRestsUntil = 0

  /** The same here as in Redis: 0 if it was noted, else milliseconds to wait. */
  function takeHere(log: number[], limit: number): number {
    const at = now()
    while ((log[0] ?? at) <= at - perMs) log.shift()
    const blocking = log[log.length - limit]
    if (blocking !== undefined) return blocking + perMs - at
    log.push(at)
    return 0
  }

  async function takeFromAll(locationId: string, limit: number): Promise<number> {
    if (redis?.status !== 'ready' || now() < redisRestsUntil) return 0
    try {
      return Number(await redis.eval(TAKE, 1, `ghl:${locationId}`, limit, perMs))
    } catch {
      redisRestsUntil = now() + REDIS_REST_MS
      return 0
    }
  }

  async function take({ locationId, priority }: Turn): Promise<number> {
    const limit = requests[priority]
    if (priority === 'background' && refused.has(locationId)) return refused.getRemainingTTL(locationId)
    const log = logs.get(locationId) ?? []
    logs.set(locationId, log)
    // What was sent from here counts here too, so that a Redis that goes away takes no count with it.
    const wait = takeHere(log, limit)
    if (wait > 0) return wait
    const waitForAll = await takeFromAll(locationId, limit)
    if (waitForAll > 0) log.pop()
    return waitForAll
  }

  return {
    /**
     * Waits until one more request may be sent, as long as that is worth while.
     * @throws NotSent with `retryAfterSeconds`
     */
    async turn(turn: Turn): Promise<void> {
      const { operation, priority, signal } = turn
      const until = now() + PATIENCE_MS[priority]
      for (;;) {
        const wait = await take(turn)
        if (wait <= 0) return
        if (signal.aborted) throw new NotSent(operation, 'cancelled', 'nobody waits for it any more')
        if (now() + wait > until)
          throw new NotSent(operation, 'limited', 'the location has had its requests', wait / 1_000)
        await pause(wait, undefined, { signal }).catch(() => {})
      }
    },

    /** GHL refused a request because of its own count: what nobody waits for leaves it alone for so long. */
    exhausted(locationId: string, seconds: number | undefined): void {
      refused.set(locationId, true, { ttl: Math.min((seconds ?? 1) * 1_000, perMs) })
    },
  }
}

export type Budget = ReturnType<typeof createBudget>
