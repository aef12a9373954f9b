import type { Database, Runner } from '../database/pool.ts'
import type { ErasureRow, Subject } from './erasures-repository.ts'

/** One call whose rows are to go. A session of an older server may have no call id, a call no session. */
export interface ErasedCall {
  call: string | null
  session: string | null
}

/**
 * After the lease of a sync that is under way has run out, a note that it has sent is there or will never be: twice
 * the 10 s for which a request may still be carried out.
 */
const NOTE_SETTLE_SECONDS = 20

/** What is stored of calls, wherever it is. Everything here happens in the transaction of an erasure. */
export function createRowsRepository({ sql }: { sql: Pick<Database, 'forClient'> }) {
  return {
    /** Up to `limit` calls that the erasure is about, and that were known when it was asked for. */
    async callsOf(
      { client_id: clientId, id: erasureId }: Pick<ErasureRow, 'client_id' | 'id'>,
      subject: Subject,
      limit: number,
      tx: Runner,
    ): Promise<ErasedCall[]> {
      if ('call' in subject)
        return tx<ErasedCall[]>`
          select vapi_call_id as call, id as session from voice_sessions
          where client_id = ${clientId} and (vapi_call_id = ${subject.call} or id::text = ${subject.call})
          union all
          select ${subject.call}, null where exists (
            select from call_events where client_id = ${clientId} and vapi_call_id = ${subject.call}
          ) or exists (select from call_steps where client_id = ${clientId} and vapi_call_id = ${subject.call})
          limit ${limit}`
      return tx<ErasedCall[]>`
        with asked as (
          select requested_at from erasures where client_id = ${clientId} and id = ${erasureId}
        ), known as (
          select vapi_call_id as call, id as session
          from voice_sessions
          where client_id = ${clientId} and caller = ${subject.caller} and created_at <= (select requested_at from asked)
          limit ${limit}
        ), answered as (
          -- Somebody answered, and nothing was heard of the call since.
          select distinct vapi_call_id as call, null::uuid as session
          from call_steps
          where client_id = ${clientId} and at <= (select requested_at from asked) and has_words(payload)
            and position(${subject.caller} in payload ->> 'caller') > 0
          limit ${limit}
        )
        select call, session from known
        union all
        select call, session from answered where call not in (select call from known where call is not null)
        limit ${limit}`
    },

    /** Has whoever tells of these calls wait until the transaction ends; in one order, so that nobody waits in a circle. */
    async lockCalls(calls: readonly string[], tx: Runner): Promise<void> {
      await tx`
        select pg_advisory_xact_lock(hashtextextended(id, 0))
        from (select id from unnest(${calls as string[]}::text[]) id order by hashtextextended(id, 0)) ordered`
    },

    /** Has their syncs wait too, and answers the calls' sessions, of which some may be newer than the question. */
    async lockSessions(
      clientId: string,
      calls: readonly string[],
      sessions: readonly string[],
      tx: Runner,
    ): Promise<string[]> {
      const rows = await tx<{ id: string }[]>`
        select id from voice_sessions
        where client_id = ${clientId}
          and (vapi_call_id = any(${calls as string[]}::text[]) or id = any(${sessions as string[]}::uuid[]))
        order by id for update`
      const ids = rows.map(({ id }) => id)
      await tx`
        select from crm_syncs where client_id = ${clientId} and voice_session_id = any(${ids}::uuid[])
        order by voice_session_id for update`
      return ids
    },

    async mark(clientId: string, calls: readonly string[], tx: Runner): Promise<void> {
      await tx`
        insert into erased_calls (client_id, call_mark)
        select ${clientId}, call_mark(id) from unnest(${calls as string[]}::text[]) id
        on conflict do nothing`
    },

    /** Notes where copies are, before the rows go that say so. */
    async noteCopies(
      clientId: string,
      erasureId: string,
      calls: readonly string[],
      sessions: readonly string[],
      tx: Runner,
    ): Promise<void> {
      await tx`
        with syncs as (
          select s.id, s.vapi_call_id, s.ghl_contact_id, y.note_id, y.leased_until, y.note_attempted_at
          from voice_sessions s
          left join crm_syncs y on y.client_id = s.client_id and y.voice_session_id = s.id
          where s.client_id = ${clientId} and s.id = any(${sessions as string[]}::uuid[])
        )
        insert into erasure_copies
          (client_id, erasure_id, system, session_id, vapi_call_id, contact_id, note_id, not_before)
        select ${clientId}::uuid, ${erasureId}::uuid, 'jobs', id, null, null, null, now() from syncs
        union all
        select ${clientId}, ${erasureId}, 'crm', null, vapi_call_id, ghl_contact_id, note_id,
          coalesce(leased_until + make_interval(secs => ${NOTE_SETTLE_SECONDS}), now())
        from syncs where ghl_contact_id is not null and (note_id is not null or note_attempted_at is not null)
        union all
        select ${clientId}, ${erasureId}, 'vapi', null, id, null, null, now()
        from unnest(${calls as string[]}::text[]) id`
    },

    /** Deletes all that is stored of the calls, and adds what it was to the receipt. */
    async erase(
      clientId: string,
      erasureId: string,
      calls: readonly string[],
      sessions: readonly string[],
      tx: Runner,
    ): Promise<void> {
      await tx`
        with ids as materialized (
          select ${calls as string[]}::text[] as calls, ${sessions as string[]}::uuid[] as sessions,
            array(
              select ghl_contact_id from voice_sessions
              where client_id = ${clientId} and id = any(${sessions as string[]}::uuid[])
            ) as contacts
        ), holds as (
          delete from slot_holds using ids where client_id = ${clientId} and contact_id = any(contacts) returning 1
        ), runs as (
          delete from tool_runs using ids where client_id = ${clientId} and vapi_call_id = any(calls) returning 1
        ), work as (
          delete from outbox using ids
          where client_id = ${clientId} and data ->> 'sessionId' = any(sessions::text[]) returning 1
        ), events as (
          delete from call_events using ids where client_id = ${clientId} and vapi_call_id = any(calls) returning 1
        ), steps as (
          delete from call_steps using ids where client_id = ${clientId} and vapi_call_id = any(calls) returning 1
        ), syncs as (
          delete from crm_syncs using ids
          where client_id = ${clientId} and voice_session_id = any(sessions) returning 1
        ), gone as (
          delete from voice_sessions using ids where client_id = ${clientId} and id = any(sessions) returning 1
        ), counted as (
          select 'slot_holds' as name, count(*) as rows from holds union all
          select 'tool_runs', count(*) from runs union all
          select 'outbox', count(*) from work union all
          select 'call_events', count(*) from events union all
          select 'call_steps', count(*) from steps union all
          select 'crm_syncs', count(*) from syncs union all
          select 'voice_sessions', count(*) from gone
        )
        update erasures set rows_erased = (
          select jsonb_object_agg(name, rows + coalesce((rows_erased ->> name)::int, 0)) from counted
        )
        where client_id = ${clientId} and id = ${erasureId}`
    },

    /** What was written of erased calls by somebody who had not seen that they are. */
    async sweep(
      clientId: string,
      calls: readonly string[],
      on: Runner = sql.forClient(clientId),
    ): Promise<void> {
      await on`
        delete from call_steps where client_id = ${clientId} and vapi_call_id = any(${calls as string[]}::text[])
          and call_mark(vapi_call_id) in (select call_mark from erased_calls where client_id = ${clientId})`
    },
  }
}

export type RowsRepository = ReturnType<typeof createRowsRepository>
