import type { Database, Runner } from '../database/pool.ts'

/** One tool call of one call of one client. */
export interface RunKey {
  clientId: string
  callId: string
  toolCallId: string
}

export interface Claim {
  /** Whether the tool is now to be run by whoever asked. */
  mine: boolean
  /** What the owner answered; null while there is no answer. */
  answer: unknown
  /** The call was erased: nothing is to be done in it any more. */
  erased: boolean
}

export interface HoldKey {
  clientId: string
  calendarId: string
  startAt: Temporal.Instant
}

/**
 * The tables `tool_runs` and `slot_holds`, and the call that a tool is used in. All times are the database's, which the
 * instances have in common.
 *
 * A caller waits for each of these statements, so each is one way to the database and back and says itself whose rows
 * it means, where a scope would make a transaction of it: three ways. The policies must not be asked before it has
 * said so: what reads or changes rows needs a value of `scope`, row by row, or stands behind `where scope is set`, a
 * condition without a row, which PostgreSQL decides before it looks at the first.
 */
export function createToolRepository({ sql }: { sql: Pick<Database, 'forOwnScope'> }) {
  return {
    /** The CRM contact of a call of this client, where it is known. */
    async contactOf(
      clientId: string,
      callId: string,
      on: Runner = sql.forOwnScope(clientId),
    ): Promise<string | undefined> {
      const rows = await on<{ ghl_contact_id: string | null }[]>`
        with scope as materialized (select set_config('app.client_id', ${clientId}, true) as is_set)
        select ghl_contact_id from voice_sessions
        where (select is_set from scope) is not null and client_id = ${clientId} and vapi_call_id = ${callId}`
      return rows[0]?.ghl_contact_id ?? undefined
    },

    /**
     * Claims a tool call for `owner`. It is his if nobody had it, or if the last owner's time has passed and he
     * left no final answer.
     */
    async claim(
      key: RunKey,
      owner: string,
      seconds: number,
      on: Runner = sql.forOwnScope(key.clientId),
    ): Promise<Claim> {
      const rows = await on<Claim[]>`
        with scope as materialized (
          select set_config('app.client_id', ${key.clientId}, true)::uuid as client_id
        ), gone as materialized (
          select client_id, is_erased(client_id, ${key.callId}) as erased from scope
        ), mine as (
          insert into tool_runs as r (client_id, vapi_call_id, tool_call_id, owner, claimed_until)
          select client_id, ${key.callId}::text, ${key.toolCallId}::text, ${owner}::uuid,
            now() + make_interval(secs => ${seconds})
          from gone where not erased
          on conflict (client_id, vapi_call_id, tool_call_id) do update
            set owner = excluded.owner, claimed_until = excluded.claimed_until, answer = null
            where not r.final and r.claimed_until < now()
          returning owner
        )
        select exists (select from mine) as mine, erased,
          (
            select answer from tool_runs r
            where r.client_id = gone.client_id and vapi_call_id = ${key.callId} and tool_call_id = ${key.toolCallId}
          ) as answer
        from gone`
      return rows[0] ?? { mine: false, answer: null, erased: false }
    },

    /**
     * Stores the owner's answer. One that is not final may be replaced after `seconds`. Rows of this client that
     * are more than a day old go.
     */
    async answer(
      key: RunKey,
      owner: string,
      { answer, final, seconds }: { answer: unknown; final: boolean; seconds: number },
      on: Runner = sql.forOwnScope(key.clientId),
    ): Promise<void> {
      await on`
        with scope as materialized (
          select set_config('app.client_id', ${key.clientId}, true) as is_set
        ), old as (
          delete from tool_runs where (select is_set from scope) is not null
            and (client_id, vapi_call_id, tool_call_id) in (
              select client_id, vapi_call_id, tool_call_id from tool_runs
              where client_id = ${key.clientId} and claimed_until < now() - interval '1 day'
              limit 100 for update skip locked
            )
        )
        update tool_runs
        set answer = ${on.json(answer as never)}, final = ${final},
          claimed_until = now() + make_interval(secs => ${seconds})
        where (select is_set from scope) is not null and client_id = ${key.clientId}
          and vapi_call_id = ${key.callId} and tool_call_id = ${key.toolCallId} and owner = ${owner}`
    },

    /**
     * Holds a slot for a contact, if nobody does, or the same contact's appointment stands there already.
     * Answers the contact that has it. Expired holds of this client go.
     */
    async hold(
      key: HoldKey,
      contactId: string,
      owner: string,
      seconds: number,
      on: Runner = sql.forOwnScope(key.clientId),
    ): Promise<{ mine: boolean; contactId: string | null }> {
      const rows = await on<{ mine: boolean; contactId: string | null }[]>`
        with scope as materialized (
          select set_config('app.client_id', ${key.clientId}, true)::uuid as client_id
        ), old as (
          delete from slot_holds where (select client_id from scope) is not null
            and (client_id, calendar_id, start_at) in (
              select client_id, calendar_id, start_at from slot_holds
              where client_id = ${key.clientId} and expires_at < now() - interval '1 minute'
                and start_at <> ${key.startAt.toString()}
              limit 100 for update skip locked
            )
        ), mine as (
          insert into slot_holds as h (client_id, calendar_id, start_at, contact_id, owner, expires_at)
          select client_id, ${key.calendarId}, ${key.startAt.toString()}, ${contactId}, ${owner}::uuid,
            now() + make_interval(secs => ${seconds})
          from scope
          on conflict (client_id, calendar_id, start_at) do update
            set contact_id = excluded.contact_id, owner = excluded.owner, expires_at = excluded.expires_at,
              appointment_id = null
            where h.expires_at < now() or (h.contact_id = excluded.contact_id and h.appointment_id is not null)
          returning owner
        )
        select exists (select from mine) as mine,
          (
            select contact_id from slot_holds h
            where h.client_id = scope.client_id and calendar_id = ${key.calendarId}
              and start_at = ${key.startAt.toString()}
          ) as "contactId"
        from scope`
      return rows[0] ?? { mine: false, contactId: null }
    },

    /** Notes the appointment that stands where the hold was. */
    async booked(
      key: HoldKey,
      owner: string,
      appointmentId: string,
      on: Runner = sql.forOwnScope(key.clientId),
    ): Promise<void> {
      await on`
        with scope as materialized (select set_config('app.client_id', ${key.clientId}, true) as is_set)
        update slot_holds set appointment_id = ${appointmentId}
        where (select is_set from scope) is not null and client_id = ${key.clientId}
          and calendar_id = ${key.calendarId} and start_at = ${key.startAt.toString()} and owner = ${owner}`
    },

    /** Lets the hold end in `seconds`, if it does not end sooner. */
    async shorten(
      key: HoldKey,
      owner: string,
      seconds: number,
      on: Runner = sql.forOwnScope(key.clientId),
    ): Promise<void> {
      await on`
        with scope as materialized (select set_config('app.client_id', ${key.clientId}, true) as is_set)
        update slot_holds set expires_at = least(expires_at, now() + make_interval(secs => ${seconds}))
        where (select is_set from scope) is not null and client_id = ${key.clientId}
          and calendar_id = ${key.calendarId} and start_at = ${key.startAt.toString()} and owner = ${owner}`
    },

    async release(key: HoldKey, owner: string, on: Runner = sql.forOwnScope(key.clientId)): Promise<void> {
      await on`
        with scope as materialized (select set_config('app.client_id', ${key.clientId}, true) as is_set)
        delete from slot_holds
        where (select is_set from scope) is not null and client_id = ${key.clientId}
          and calendar_id = ${key.calendarId} and start_at = ${key.startAt.toString()} and owner = ${owner}`
    },
  }
}

export type ToolRepository = ReturnType<typeof createToolRepository>
