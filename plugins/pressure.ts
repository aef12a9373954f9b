import { totalmem } from 'node:os'
import { constrainedMemory } from 'node:process'
import { getHeapStatistics } from 'node:v8'
import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { Gauge } from 'prom-client'
import { AppError } from '../services/errors.ts'
import { CALM, type Dispensable, isShed, type Level, nextLevel, type Reading } from '../services/pressure.ts'

declare module 'fastify' {
  interface FastifyInstance {
    pressure: {
      readonly level: Level
      /** @throws AppError OVERLOADED if this is what is left undone now */
      shed(what: Dispensable): void
    }
  }
}

export interface PressurePluginOptions {
  /** What is measured; the process itself by default. */
  reading?: () => Reading
  sampleMs?: number
}

/** Each reading is the mean over so long. Two of them make an overload. */
const SAMPLE_MS = 1_000
/** Pressure is measured anew each second. VAPI waits longer by itself: what comes back at once presses again. */
const RETRY_AFTER_SECONDS = 5

/**
 * Leaves undone what can wait while the process is pressed. @fastify/under-pressure measures; it knows one level only,
 * and one for every route, where here a caller is served to the end.
 *
 * Readiness does not follow: to take an instance out of rotation presses the others, and then they follow.
 */
export default fp<PressurePluginOptions>(
  async (app, { reading, sampleMs = SAMPLE_MS }) => {
    await app.register(underPressure, { sampleInterval: sampleMs, eventLoopUtilizationMode: 'interval' })
    const heapMax = getHeapStatistics().heap_size_limit
    // Outside of a container the limit is 0 or beyond all there is.
    const memoryMax = Math.min(constrainedMemory() || Number.POSITIVE_INFINITY, totalmem())
    const measured = (): Reading => {
      const { eventLoopDelay, eventLoopUtilized, heapUsed, rssBytes } = app.memoryUsage()
      const memory = Math.max(heapUsed / heapMax, rssBytes / memoryMax)
      return { delayMs: eventLoopDelay, utilization: eventLoopUtilized, memory }
    }
    const read = reading ?? measured

    let level: Level = 0
    let before = CALM
    const timer = setInterval(() => {
      const found = read()
      const next = nextLevel(level, found, before)
      before = found
      if (next === level) return
      const facts = { pressure: next, before: level, ...found }
      if (next > level) app.log.warn(facts, 'under pressure: something is left undone')
      else app.log.info(facts, 'the pressure falls')
      level = next
    }, sampleMs).unref()
    app.addHook('onClose', async () => clearInterval(timer))

    new Gauge({
      name: 'pressure_level',
      help: 'What is left undone: 0 nothing, 1 MCP listings, 2 REST as well, 3 lifecycle messages as well',
      registers: [app.metrics.registry],
      collect() {
        this.set(level)
      },
    })
    app.decorate('pressure', {
      get level() {
        return level
      },
      shed(what) {
        if (isShed(what, level)) throw new AppError('OVERLOADED', { retryAfterSeconds: RETRY_AFTER_SECONDS })
      },
    })
  },
  { name: 'pressure', dependencies: ['metrics'] },
)
