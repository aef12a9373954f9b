import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the limits of all instances are kept; undefined: each instance has its own. */
    redis: Redis | undefined
  }
}

export interface RedisPluginOptions {
  url: string | undefined
}

/** Whoever asks a Redis that does not answer goes on without it after so long. A caller is waiting. */
const COMMAND_DEADLINE_MS = 40
/** How soon a Redis that is back is noticed. */
const RECONNECT_MAX_MS = 2_000

/** One connection to Redis for all of this instance. Nothing waits for it: not the start, and no command. */
export default fp<RedisPluginOptions>(
  async (app, { url }) => {
    if (url === undefined) {
      app.decorate('redis', undefined)
      return
    }
    // Loaded only where there is one: it takes 8 MB.
    const { Redis } = await import('ioredis')
    const redis = new Redis(url, {
      lazyConnect: true,
      // A command that finds no connection fails at once instead of waiting for one.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_DEADLINE_MS,
      connectTimeout: 2_000,
      // A half-open connection answers nothing and says nothing: it is replaced.
      socketTimeout: 2_000,
      retryStrategy: (attempt) => Math.min(attempt * 100, RECONNECT_MAX_MS),
    })
    let away = false
    redis.on('error', (error) => {
      // Said once; it is tried again every two seconds.
      if (!away) app.log.error({ err: error }, 'Redis is away: limits are those of this instance alone')
      away = true
    })
    redis.on('ready', () => {
      if (away) app.log.info('Redis is back: limits are shared again')
      away = false
    })
    redis.connect().catch(() => {})
    app.decorate('redis', redis)
    app.addHook('onClose', () => redis.disconnect())
  },
  { name: 'redis' },
)
