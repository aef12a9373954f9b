import type { Database, Runner } from '../database/pool.ts'

/** The table `reconciler`, and which calls have a report. */
export function createReconcilerRepository({ sql }: { sql: Database }) {
  return {
    /**
     * Takes the work for `seconds` if it is due and nobody has it, and answers until when calls have been looked at.
     * Undefined: there is nothing to do here.
     */
    async claim(owner: string, seconds: number, on: Runner = sql): Promise<Temporal.Instant | undefined> {
      const rows = await on<{ checked_until: Date }[]>`
        update reconciler set owner = ${owner}, leased_until = now() + make_interval(secs => ${seconds})
        where due_at <= now() and (leased_until is null or leased_until < now())
        returning checked_until`
      return rows[0]?.checked_until.toTemporalInstant()
    },

    /** Calls have been looked at until then. False: the work has passed to somebody else meanwhile. */
    async advance(
      owner: string,
      until: Temporal.Instant,
      seconds: number,
      on: Runner = sql,
    ): Promise<boolean> {
      const rows = await on`
        update reconciler set checked_until = greatest(checked_until, ${until.toString()}::text::timestamptz),
          leased_until = now() + make_interval(secs => ${seconds})
        where owner = ${owner} and leased_until >= now()
        returning id`
      return rows.length > 0
    },

    /** Gives the work back; it is due again in `seconds`. */
    async release(owner: string, seconds: number, on: Runner = sql): Promise<void> {
      await on`
        update reconciler set owner = null, leased_until = null, due_at = now() + make_interval(secs => ${seconds})
        where owner = ${owner}`
    },

    /** Of these calls, by VAPI's ids, those whose report is stored, or never will be: they were erased. */
    async reported(callIds: readonly string[], on: Runner = sql.forAllClients): Promise<Set<string>> {
      const rows = await on<{ vapi_call_id: string }[]>`
        select vapi_call_id from voice_sessions
        where vapi_call_id = any(${callIds as string[]}::text[]) and reported_at is not null
        union all
        select id from unnest(${callIds as string[]}::text[]) id
        where call_mark(id) in (select call_mark from erased_calls)`
      return new Set(rows.map(({ vapi_call_id }) => vapi_call_id))
    },
  }
}

export type ReconcilerRepository = ReturnType<typeof createReconcilerRepository>
