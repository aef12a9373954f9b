import type { Database, Runner } from '../database/pool.ts'
import type { CallFacts } from './facts.ts'
import { type CallIdentity, createToolEventRepository, isForeign } from './tool-events-repository.ts'

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
  /** The caller was asked, and has not agreed to anything being kept of what was said. */
  withheld: boolean
}

type Times = 'started_at' | 'ended_at' | 'reported_at'
type SessionRow = Omit<Session, Times> & { started_at: Date; ended_at: Date | null; reported_at: Date | null }

/** Background work about a session, committed together with it. */
export interface SessionWork {
  queue: string
  /**
   * Seconds until it is due: `first` for the first event of a session and for what comes after its report, when the
   * work may have been done already; `always` for any event.
   */
  due: { first?: number; always?: number | undefined }
  /** Of the request that makes it; a W3C traceparent. */
  trace?: string | undefined
}

/** Handed over as text: the driver would make a Date of it, which has no microseconds, where a report's context has. */
const iso = (at: Temporal.Instant | undefined) => at?.toString() ?? null

/** The tables `voice_sessions` and `call_events`, what tools did in calls included. */
export function createCallRepository({ sql }: { sql: Database }) {
  const repository = {
    /**
     * Takes in what a message says, and queues the work it makes: one statement for the session, the event and the
     * outbox, so that they are committed together and in one way to the database and back. Each column merges so
     * that neither order nor repetition matters: the greater value wins, the longer text, the further status, a
     * report's times. A session stays with the client it was made for.
     */
    async record(
      call: CallIdentity,
      type: string,
      facts: CallFacts,
      work: SessionWork,
      on?: Runner,
    ): Promise<void> {
      const { first, always } = work.due
      try {
        await (on ?? sql.forOwnScope(call.clientId))`
          with scope as (
            -- Read before any row is written, so that the policies see it.
            select set_config('app.client_id', ${call.clientId}, true) as id
          ), session as (
            insert into voice_sessions as s (
              client_id, vapi_call_id, caller, called_number, started_at, ended_at, status, ended_reason,
              duration_seconds, cost, recording_url, transcript, summary, context, reported_at, consent
            )
            select
              ${call.clientId}::uuid, ${call.callId}::text, ${call.caller ?? null}::text,
              ${call.calledNumber ?? null}::text, ${iso(facts.startedAt)}::text::timestamptz,
              ${iso(facts.endedAt)}::text::timestamptz, ${facts.status ?? null}::text,
              ${facts.endedReason ?? null}::text, ${facts.durationSeconds ?? null}::integer,
              ${facts.cost ?? null}::numeric, ${facts.recordingUrl ?? null}::text, ${facts.transcript ?? null}::text,
              ${facts.summary ?? null}::text, ${sql.json(facts.context as never)}::jsonb,
              case when ${facts.reported}::boolean then now() end, ${facts.consent ? sql.json({ ...facts.consent }) : null}::jsonb
            from scope
            -- A call that was erased is not brought back.
            where not is_erased(scope.id::uuid, ${call.callId})
            on conflict (vapi_call_id) do update set
              client_id = coalesce(s.client_id, excluded.client_id),
              caller = greatest(s.caller, excluded.caller),
              called_number = greatest(s.called_number, excluded.called_number),
              started_at = coalesce(
                greatest(s.context ->> 'startedAt', excluded.context ->> 'startedAt')::timestamptz,
                case when s.context ? 'provisional' then excluded.started_at end,
                least(s.started_at, excluded.started_at)
              ),
              ended_at = coalesce(
                greatest(s.context ->> 'endedAt', excluded.context ->> 'endedAt')::timestamptz,
                least(s.ended_at, excluded.ended_at)
              ),
              status = case
                when call_status_rank(excluded.status) > call_status_rank(s.status) then excluded.status
                else s.status
              end,
              ended_reason = greatest(s.ended_reason, excluded.ended_reason),
              duration_seconds = greatest(s.duration_seconds, excluded.duration_seconds),
              cost = greatest(s.cost, excluded.cost),
              recording_url = fuller_text(s.recording_url, excluded.recording_url),
              transcript = fuller_text(s.transcript, excluded.transcript),
              summary = fuller_text(s.summary, excluded.summary),
              context = merge_facts(s.context - 'provisional', excluded.context),
              reported_at = least(s.reported_at, excluded.reported_at),
              consent = merge_consent(s.consent, excluded.consent),
              updated_at = now()
            returning id, client_id, (xmax = 0) as first_event, reported_at
          ), event as (
            insert into call_events as e (client_id, vapi_call_id, event_key, type, payload)
            select client_id, ${call.callId}, ${facts.eventKey}, ${type}, ${sql.json(facts.payload as never)}::jsonb
            from session
            on conflict (client_id, vapi_call_id, event_key) do update
              set payload = merge_facts(e.payload, excluded.payload)
          )
          insert into outbox (client_id, queue, data, due_at)
          select client_id, ${work.queue}, jsonb_strip_nulls(jsonb_build_object(
              'clientId', client_id, 'sessionId', id, 'trace', ${work.trace ?? null}::text
            )),
            now() + make_interval(secs => seconds)
          from session, (
            values (${first ?? null}::float, false), (${always ?? null}::float, true)
          ) due (seconds, always)
          where seconds is not null and (always or first_event or reported_at is not null)`
      } catch (error) {
        if (on || !isForeign(error)) throw error
        // The call is known as another client's: it stays with that one, whatever the message says.
        await repository.record(call, type, facts, work, sql.forAllClients)
      }
    },

    /** The client that a call belongs to, if the call is known. */
    async ownerOf(callId: string, on: Runner = sql.forAllClients) {
      const rows = await on<{ client_id: string | null }[]>`
        select client_id from voice_sessions where vapi_call_id = ${callId}`
      return rows[0]
    },

    async byId(
      clientId: string,
      sessionId: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<Session | undefined> {
      const rows = await on<SessionRow[]>`
        select id, client_id, vapi_call_id, caller, called_number, started_at, ended_at, status, ended_reason,
          duration_seconds, recording_url, summary, context, ghl_contact_id, reported_at,
          words_withheld(consent) as withheld
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
    async recordedCallOf(sessionId: string, on: Runner = sql.forAllClients): Promise<string | undefined> {
      const rows = await on<{ vapi_call_id: string }[]>`
        select vapi_call_id from voice_sessions where id = ${sessionId} and recording_url is not null`
      return rows[0]?.vapi_call_id
    },

    /** Stores the caller's contact and answers which one the session has: the first one stays. */
    async setContact(
      { clientId, sessionId }: { clientId: string; sessionId: string },
      contactId: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<string | undefined> {
      const rows = await on<{ ghl_contact_id: string }[]>`
        update voice_sessions set ghl_contact_id = coalesce(ghl_contact_id, ${contactId}), updated_at = now()
        where client_id = ${clientId} and id = ${sessionId}
        returning ghl_contact_id`
      return rows[0]?.ghl_contact_id
    },
  }
  return { ...repository, ...createToolEventRepository({ sql }) }
}

export type CallRepository = ReturnType<typeof createCallRepository>
