import type { Runner } from '../database/pool.ts'
import type { ToolOutcome } from './deeds.ts'
import { type CallFacts, EVENT_KEY_MAX } from './facts.ts'

/** A voice session as the CRM sync reads it. */
export interface Session {
  id: string
  client_id: string
  vapi_call_id: string
  caller: string | null
  called_number: string | null
  started_at: Temporal.Instant
  ended_at: Temporal.Instant | null
  status: string | null
  ended_reason: string | null
  duration_seconds: number | null
  recording_url: string | null
  summary: string | null
  context: Record<string, unknown>
  ghl_contact_id: string | null
  reported_at: Temporal.Instant | null
}

type Times = 'started_at' | 'ended_at' | 'reported_at'
type SessionRow = Omit<Session, Times> & { started_at: Date; ended_at: Date | null; reported_at: Date | null }

export interface CallIdentity {
  clientId: string
  callId: string
  caller: string | undefined
  calledNumber: string | undefined
}

/** What became of a tool call; kept as an event of the call. */
export interface ToolEvent {
  toolCallId: string
  payload: Record<string, unknown>
}

/** Handed over as text: the driver would make a Date of it, which has no microseconds, where a report's context has. */
const iso = (at: Temporal.Instant | undefined) => at?.toString() ?? null

/** The tables `voice_sessions` and `call_events`. */
export function createCallRepository({ sql }: { sql: Runner }) {
  return {
    /**
     * Takes in what a message says: one statement for the session and the event. Each column merges so that
     * neither order nor repetition matters: the greater value wins, the longer text, the further status, a
     * report's times. A session stays with the client it was made for.
     */
    async record(call: CallIdentity, type: string, facts: CallFacts, on: Runner = sql) {
      const rows = await on<{ id: string; client_id: string; first_event: boolean }[]>`
        with session as (
          insert into voice_sessions as s (
            client_id, vapi_call_id, caller, called_number, started_at, ended_at, status, ended_reason,
            duration_seconds, cost, recording_url, transcript, summary, context, reported_at
          ) values (
            ${call.clientId}, ${call.callId}, ${call.caller ?? null}, ${call.calledNumber ?? null},
            ${iso(facts.startedAt)}::text::timestamptz, ${iso(facts.endedAt)}::text::timestamptz, ${facts.status ?? null}, ${facts.endedReason ?? null},
            ${facts.durationSeconds ?? null}, ${facts.cost ?? null}, ${facts.recordingUrl ?? null},
            ${facts.transcript ?? null}, ${facts.summary ?? null}, ${on.json(facts.context as never)},
            case when ${facts.reported} then now() end
          )
          on conflict (vapi_call_id) do update set
            client_id = coalesce(s.client_id, excluded.client_id),
            caller = greatest(s.caller, excluded.caller),
            called_number = greatest(s.called_number, excluded.called_number),
            started_at = coalesce(
              (merge_facts(s.context, excluded.context) ->> 'startedAt')::timestamptz,
              case when s.context ? 'provisional' then excluded.started_at end,
              least(s.started_at, excluded.started_at)
            ),
            ended_at = coalesce(
              (merge_facts(s.context, excluded.context) ->> 'endedAt')::timestamptz,
              least(s.ended_at, excluded.ended_at)
            ),
            status = case
              when call_status_rank(excluded.status) > call_status_rank(s.status) then excluded.status else s.status
            end,
            ended_reason = greatest(s.ended_reason, excluded.ended_reason),
            duration_seconds = greatest(s.duration_seconds, excluded.duration_seconds),
            cost = greatest(s.cost, excluded.cost),
            recording_url = fuller_text(s.recording_url, excluded.recording_url),
            transcript = fuller_text(s.transcript, excluded.transcript),
            summary = fuller_text(s.summary, excluded.summary),
            context = merge_facts(s.context - 'provisional', excluded.context),
            reported_at = least(s.reported_at, excluded.reported_at),
            updated_at = now()
          returning id, client_id, (xmax = 0) as first_event
        ), event as (
          insert into call_events as e (client_id, vapi_call_id, event_key, type, payload)
          select client_id, ${call.callId}, ${facts.eventKey}, ${type}, ${on.json(facts.payload as never)} from session
          on conflict (client_id, vapi_call_id, event_key) do update set payload = merge_facts(e.payload, excluded.payload)
        )
        select id, client_id, first_event from session`
      return rows[0] as { id: string; client_id: string; first_event: boolean }
    },

    /** Keeps what tool calls of a call came to; a repetition changes nothing. */
    async recordTools({ clientId, callId }: CallIdentity, events: readonly ToolEvent[], on: Runner = sql) {
      const rows = events.map(({ toolCallId, payload }) => ({
        key: `tool-calls:${toolCallId}`.slice(0, EVENT_KEY_MAX),
        payload,
      }))
      await on`
        insert into call_events (client_id, vapi_call_id, event_key, type, payload)
        select ${clientId}, ${callId}, key, 'tool-calls', payload
        from jsonb_to_recordset(${on.json(rows as never)}) as event (key text, payload jsonb)
        -- always in one order, so that two deliveries of the same message cannot wait for each other
        order by key
        on conflict (client_id, vapi_call_id, event_key) do nothing`
    },

    /** The client that a call belongs to, and its contact, if the call is known. */
    async ownerOf(callId: string, on: Runner = sql) {
      const rows = await on<{ client_id: string | null; ghl_contact_id: string | null }[]>`
        select client_id, ghl_contact_id from voice_sessions where vapi_call_id = ${callId}`
      return rows[0]
    },

    async byId(clientId: string, sessionId: string, on: Runner = sql): Promise<Session | undefined> {
      const rows = await on<SessionRow[]>`
        select id, client_id, vapi_call_id, caller, called_number, started_at, ended_at, status, ended_reason,
          duration_seconds, recording_url, summary, context, ghl_contact_id, reported_at
        from voice_sessions where client_id = ${clientId} and id = ${sessionId}`
      const [row] = rows
      return (
        row && {
          ...row,
          started_at: row.started_at.toTemporalInstant(),
          ended_at: row.ended_at?.toTemporalInstant() ?? null,
          reported_at: row.reported_at?.toTemporalInstant() ?? null,
        }
      )
    },

    /** VAPI's id of the call that has a recording. */
    async recordedCallOf(sessionId: string, on: Runner = sql): Promise<string | undefined> {
      const rows = await on<{ vapi_call_id: string }[]>`
        select vapi_call_id from voice_sessions where id = ${sessionId} and recording_url is not null`
      return rows[0]?.vapi_call_id
    },

    /**
     * Stores the caller's contact and answers which one the session has: the first one stays. The session is
     * made if no message has made it yet; its start is provisional until one tells.
     */
    async setContact(call: CallIdentity, contactId: string, on: Runner = sql): Promise<string | undefined> {
      const rows = await on<{ ghl_contact_id: string }[]>`
        insert into voice_sessions as s (client_id, vapi_call_id, caller, called_number, ghl_contact_id, context)
        values (
          ${call.clientId}, ${call.callId}, ${call.caller ?? null}, ${call.calledNumber ?? null}, ${contactId},
          '{"provisional": true}'
        )
        on conflict (vapi_call_id) do update set
          caller = greatest(s.caller, excluded.caller),
          called_number = greatest(s.called_number, excluded.called_number),
          ghl_contact_id = coalesce(s.ghl_contact_id, excluded.ghl_contact_id),
          updated_at = now()
          where s.client_id = excluded.client_id
        returning ghl_contact_id`
      return rows[0]?.ghl_contact_id
    },

    /** Payloads of the tool calls of a call that did something, in the order they came. */
    async toolEvents(clientId: string, callId: string, on: Runner = sql): Promise<ToolOutcome[]> {
      const rows = await on<{ payload: ToolOutcome }[]>`
        select payload from call_events
        where client_id = ${clientId} and vapi_call_id = ${callId} and type = 'tool-calls' and payload ? 'output'
        order by received_at, event_key`
      return rows.map(({ payload }) => payload)
    },
  }
}

export type CallRepository = ReturnType<typeof createCallRepository>
