import { randomUUID } from 'node:crypto'
import { RETENTION_DAYS, RETENTION_DAYS_MAX } from '../../schemas/client.ts'
import type { Clock } from '../time.ts'
import type { RetentionRepository } from './retention-repository.ts'

/** How often what is old is looked for, and how soon again after a failure. */
const PERIOD_SECONDS = 86_400
const AFTER_FAILURE_SECONDS = 600

/** Rows changed by one statement: some tens of milliseconds. */
const BATCH = 200
/** Longer than a batch takes with a slow database, and renewed after each. */
const LEASE_SECONDS = 120

export interface RetentionOptions {
  repository: RetentionRepository
  clock: Clock
  log: Record<'info' | 'error', (facts: object, message: string) => void>
  batch?: number
}

/** Rows that a run has taken the words out of, or deleted. */
export interface Stripped {
  sessions: number
  events: number
  steps: number
  runs: number
}

/**
 * Deletes what was said in calls when the client's `retention_days` (90 without it) have passed.
 * - What goes: transcript, summary, link to the recording, the facts that were extracted from the conversation; what
 *   tools were told and answered; what the assistant was told of the caller.
 * - What stays: that there was a call, its times, outcome, cost and numbers, which tools were used, and the ids of its
 *   contact and its note. The caller's number stays so that an erasure still finds the call, and its copies.
 * - What others keep is theirs: the note in the CRM is the business's, VAPI has its own retention.
 * Days are counted back from now in 24 hours, from when a call began and from when an event came.
 */
export function createRetention({ repository, clock, log, batch = BATCH }: RetentionOptions) {
  async function strip(owner: string, signal: AbortSignal, found: Stripped): Promise<void> {
    const before = (days: number) => clock().subtract({ hours: 24 * days })
    /** Until nothing is left, and false if the work is somebody else's by now. */
    const all = async (kind: keyof Stripped, some: () => Promise<number>): Promise<boolean> => {
      for (;;) {
        const count = await some()
        found[kind] += count
        if (signal.aborted || (count > 0 && !(await repository.renew(owner, LEASE_SECONDS)))) return false
        if (count < batch) return true
      }
    }
    for (const { id, days } of await repository.clients()) {
      const old = before(daysOf(days))
      const goesOn =
        (await all('sessions', () => repository.stripSessions(id, old, batch))) &&
        (await all('events', () => repository.stripEvents(id, old, batch))) &&
        (await all('steps', () => repository.stripSteps(id, old, batch))) &&
        (await all('runs', () => repository.dropRuns(id, old, batch)))
      if (!goesOn || !(await repository.renew(owner, LEASE_SECONDS))) return
    }
    await all('sessions', () => repository.stripSessions(null, before(RETENTION_DAYS), batch))
  }

  return {
    /**
     * Does what is due, unless another instance does; undefined: there was nothing to do. Never rejects: what went
     * wrong is logged, and done the next time. What is done already is not looked at again, wherever it was cut off.
     */
    async run(signal: AbortSignal): Promise<Stripped | undefined> {
      const owner = randomUUID()
      const found: Stripped = { sessions: 0, events: 0, steps: 0, runs: 0 }
      try {
        if (!(await repository.claim(owner, LEASE_SECONDS))) return undefined
      } catch (error) {
        log.error({ err: error }, 'retention could not be looked at')
        return undefined
      }
      let again = AFTER_FAILURE_SECONDS
      try {
        await strip(owner, signal, found)
        if (!signal.aborted) again = PERIOD_SECONDS
      } catch (error) {
        log.error({ err: error }, 'what is old could not be deleted')
      }
      await repository.release(owner, again).catch((error) => {
        log.error({ err: error }, 'retention could not be given back')
      })
      if (Object.values(found).some((count) => count > 0))
        log.info({ ...found }, 'what was said in old calls has been deleted')
      return found
    },
  }
}

export type Retention = ReturnType<typeof createRetention>

/** Settings are as somebody wrote them: what is no number of days is the default, never for ever. */
function daysOf(given: unknown): number {
  return Number.isInteger(given) && (given as number) >= 1
    ? Math.min(given as number, RETENTION_DAYS_MAX)
    : RETENTION_DAYS
}
