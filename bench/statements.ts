import type { Sql } from 'postgres'

/** The statements that the server's are held against: as few and as plain as they can be. */

/** The client of a number, by its index. */
export const clientBy = (sql: Sql, number: string) => sql`
  select id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status
  from clients where twilio_number = ${number}`

export interface SessionRow {
  clientId: string
  callId: string
  transcript: string
  summary: string
}

/** The row of a session, committed by itself. */
export const upsertSession = (sql: Sql, { clientId, callId, transcript, summary }: SessionRow) => sql`
  insert into voice_sessions (client_id, vapi_call_id, caller, started_at, ended_at, status, transcript, summary)
  values (${clientId}, ${callId}, '+12505550188', now(), now(), 'ended', ${transcript}, ${summary})
  on conflict (vapi_call_id) do update set
    ended_at = excluded.ended_at, status = excluded.status, transcript = excluded.transcript,
    summary = excluded.summary, updated_at = now()`
