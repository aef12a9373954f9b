import type { Database } from '../database/pool.ts'

/** VAPI ends a call after 12 hours at the latest (maxDurationSeconds is at most 43,200). */
const HOURS_MAX = 12
/** Counted at most: beyond it the number tells nothing more, and the question must stay cheap. */
const COUNT_MAX = 10_000

/** Calls that go on, by the table `voice_sessions`: the same number on each instance, and right after a restart. */
export function createLiveCalls({ sql }: { sql: Pick<Database, 'forAllClients'> }) {
  return {
    /** At `now`, by the clock that calls are timed with. */
    async count(now: Temporal.Instant): Promise<number> {
      const [row] = await sql.forAllClients<{ count: number }[]>`
        select count(*)::int as count from (
          select from voice_sessions
          where ended_at is null and reported_at is null
            and started_at > ${now.subtract({ hours: HOURS_MAX }).toString()}::text::timestamptz
          limit ${COUNT_MAX}
        ) live`
      return row?.count ?? 0
    },
  }
}

export type LiveCalls = ReturnType<typeof createLiveCalls>
