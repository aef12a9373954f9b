import type { Database, Runner } from '../database/pool.ts'

/** Whose data is to go: that of all calls from a number (E.164), or of one call, by VAPI's id or the session's. */
export type Subject = { caller: string } | { call: string }

/** A row of `erasures`. */
export interface ErasureRow {
  id: string
  client_id: string
  reason: string
  subject: Subject | null
  requested_at: Date
  rows_erased: Record<string, number>
  copies_erased: Record<string, number>
  done_at: Date | null
}

export type System = 'jobs' | 'crm' | 'vapi'

/** A copy that is still elsewhere: a row of `erasure_copies`. */
export interface CopyRow {
  id: string
  system: System
  session_id: string | null
  vapi_call_id: string | null
  contact_id: string | null
  note_id: string | null
  /** Seconds until nobody can be writing it any more; 0 or less: now. */
  wait: number
}

/** Copies that are left, by system. */
export interface Outstanding {
  system: System
  count: number
  failure: string | null
}

/** The tables `erasures` and `erasure_copies`. */
export function createErasureRepository({ sql }: { sql: Database }) {
  return {
    async add(clientId: string, subject: Subject, on: Runner): Promise<ErasureRow | undefined> {
      const rows = await on<ErasureRow[]>`
        insert into erasures (client_id, reason, subject)
        select id, 'request', ${on.json(subject)} from clients where id = ${clientId}
        returning id, client_id, reason, subject, requested_at, rows_erased, copies_erased, done_at`
      return rows[0]
    },

    async byId(id: string, on: Runner = sql.forAllClients): Promise<ErasureRow | undefined> {
      const rows = await on<ErasureRow[]>`
        select id, client_id, reason, subject, requested_at, rows_erased, copies_erased, done_at
        from erasures where id = ${id}
        -- an erasure for want of consent has the id of its session
        limit 1`
      return rows[0]
    },

    /** All rows that it is about have gone, and with them what said whose they were. */
    async rowsDone(clientId: string, id: string, on: Runner): Promise<void> {
      await on`update erasures set subject = null where client_id = ${clientId} and id = ${id}`
    },

    /** Done, if no copy is left. */
    async finish(clientId: string, id: string, on: Runner = sql.forClient(clientId)): Promise<void> {
      await on`
        update erasures set done_at = coalesce(done_at, now())
        where client_id = ${clientId} and id = ${id} and subject is null
          and not exists (select from erasure_copies where client_id = ${clientId} and erasure_id = ${id})`
    },

    async copies(clientId: string, id: string, on: Runner = sql.forClient(clientId)): Promise<CopyRow[]> {
      return on<CopyRow[]>`
        select id, system, session_id, vapi_call_id, contact_id, note_id,
          extract(epoch from not_before - now())::float as wait
        from erasure_copies where client_id = ${clientId} and erasure_id = ${id}
        order by id`
    },

    async outstanding(
      clientId: string,
      id: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<Outstanding[]> {
      return on<Outstanding[]>`
        select system, count(*)::int as count, max(failure) as failure
        from erasure_copies where client_id = ${clientId} and erasure_id = ${id}
        group by system order by system`
    },

    /** The copies have gone, `counted` things in all: they are counted, and forgotten. */
    async copiesGone(
      clientId: string,
      erasureId: string,
      system: System,
      ids: readonly string[],
      counted: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<void> {
      await on`
        with gone as (
          delete from erasure_copies
          where client_id = ${clientId} and erasure_id = ${erasureId} and id = any(${ids as string[]}::bigint[])
          returning id
        )
        update erasures set copies_erased = copies_erased
          || jsonb_build_object(${system}::text, coalesce((copies_erased ->> ${system}::text)::int, 0) + ${counted}::int)
        where client_id = ${clientId} and id = ${erasureId} and exists (select from gone)`
    },

    async copiesFailed(
      clientId: string,
      erasureId: string,
      ids: readonly string[],
      failure: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<void> {
      await on`
        update erasure_copies set failure = ${failure}
        where client_id = ${clientId} and erasure_id = ${erasureId} and id = any(${ids as string[]}::bigint[])`
    },
  }
}

export type ErasureRepository = ReturnType<typeof createErasureRepository>
