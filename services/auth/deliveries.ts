import { createLru } from '../lru.ts'
import type { DeliveryRepository } from './deliveries-repository.ts'

/** What this instance has taken itself, so that a repetition is known while the database is away. */
const REMEMBERED_MAX = 10_000
/** As long as a repetition's signature can be good: five minutes before its time and five after. */
const REMEMBERED_MS = 15 * 60_000
const PURGE_EVERY_MS = 60_000
/** A caller may be on the line, who would rather be answered than be sure that nobody repeats anything. */
const PATIENCE_MS = 300

export interface DeliveriesOptions {
  repository: DeliveryRepository
  log: { warn(facts: object, message: string): void }
  patienceMs?: number
}

/**
 * Which signed webhooks have been taken, by their ids, on whatever instance. An id counts once its delivery was
 * answered with success: one that was refused, or whose answer never came to be, is taken when it comes again. Two
 * that come at the same moment are both taken: what they do for a call is done once anyway.
 */
export function createDeliveries({ repository, log, patienceMs = PATIENCE_MS }: DeliveriesOptions) {
  const remembered = createLru<true>(REMEMBERED_MAX, { ttl: REMEMBERED_MS })
  let purgedAt = performance.now()

  /** Within the patience, else what `otherwise` is: the server works without. Never rejects. */
  async function soon<T>(asked: Promise<T>, otherwise: T): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(reject, patienceMs, new Error(`no answer within ${patienceMs} ms`))
    try {
      return await Promise.race([asked, late])
    } catch (error) {
      log.warn({ err: error }, 'whether a webhook is repeated is known to this instance alone')
      return otherwise
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    /** Whether this one was taken before. Without the database: as far as this instance knows. Never rejects. */
    async isTaken(id: string): Promise<boolean> {
      return remembered.has(id) || soon(repository.isTaken(id), false)
    },

    /** It has been taken, and is about to be answered with success. Never rejects. */
    async taken(id: string): Promise<void> {
      remembered.set(id, true)
      await soon(repository.take(id), undefined)
      if (performance.now() - purgedAt < PURGE_EVERY_MS) return
      purgedAt = performance.now()
      void soon(repository.purge(), undefined)
    },
  }
}

export type Deliveries = ReturnType<typeof createDeliveries>
