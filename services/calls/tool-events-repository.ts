import type { Database, Runner } from '../database/pool.ts'
import type { ToolOutcome } from './deeds.ts'
import { EVENT_KEY_MAX } from './facts.ts'

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

/** What row-level security answers where a row belongs to another client. */
export const isForeign = (error: unknown) => (error as { code?: unknown } | null)?.code === '42501'

/** Of the tables `voice_sessions` and `call_events`, what tools did in calls. */
export function createToolEventRepository({ sql }: { sql: Database }) {
  const repository = {
    /**
     * Keeps what tool calls of a call came to, and the contact they found, in one statement; a repetition changes
     * nothing. What comes after the report makes work: the call may have been noted already. The session stays locked
     * until the commit, so that a report either finds the events or is found by them.
     */
    async recordTools(
      call: CallIdentity,
      events: readonly ToolEvent[],
      { contactId, queue }: { contactId?: string | undefined; queue: string },
      on?: Runner,
    ): Promise<void> {
      const { clientId, callId, caller, calledNumber } = call
      const rows = events.map(({ toolCallId, payload }) => ({
        key: `tool-calls:${toolCallId}`.slice(0, EVENT_KEY_MAX),
        payload,
      }))
      try {
        await (on ?? sql.forOwnScope(clientId))`
          with scope as materialized (
            -- Read before any row is read or written, so that the policies see it.
            select set_config('app.client_id', ${clientId}, true)::uuid as client_id
          ), made as (
            insert into voice_sessions as s (client_id, vapi_call_id, caller, called_number, ghl_contact_id, context)
            select client_id, ${callId}::text, ${caller ?? null}::text, ${calledNumber ?? null}::text,
              ${contactId ?? null}::text, '{"provisional": true}'
            from scope where ${contactId !== undefined}::boolean and not is_erased(client_id, ${callId})
            on conflict (vapi_call_id) do update set
              caller = greatest(s.caller, excluded.caller),
              called_number = greatest(s.called_number, excluded.called_number),
              ghl_contact_id = coalesce(s.ghl_contact_id, excluded.ghl_contact_id),
              updated_at = now()
              where s.client_id = excluded.client_id
            returning id, client_id, reported_at
          ), known as (
            select id, client_id, reported_at from voice_sessions
            where (select client_id from scope) is not null and client_id = ${clientId} and vapi_call_id = ${callId}
              and ${contactId === undefined}::boolean
            for share
          ), session as materialized (
            select * from made union all select * from known
          ), event as (
            insert into call_events (client_id, vapi_call_id, event_key, type, payload)
            select client_id, ${callId}, key, 'tool-calls', payload
            from scope, jsonb_to_recordset(${sql.json(rows as never)}) as event (key text, payload jsonb)
            where not is_erased(client_id, ${callId}) and (select count(*) from session) >= 0
            -- always in one order, so that two deliveries of the same message cannot wait for each other
            order by key
            on conflict (client_id, vapi_call_id, event_key) do nothing
          )
          insert into outbox (client_id, queue, data)
          select client_id, ${queue}, jsonb_build_object('clientId', client_id, 'sessionId', id)
          from session where reported_at is not null`
      } catch (error) {
        if (contactId === undefined || !isForeign(error)) throw error
        // The call is known as another client's: no contact of this one is its contact.
        await repository.recordTools(call, events, { queue }, on)
      }
    },

    /** Payloads of the tool calls of a call that did something, in the order they came. */
    async toolEvents(
      clientId: string,
      callId: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<ToolOutcome[]> {
      const rows = await on<{ payload: ToolOutcome }[]>`
        select payload from call_events
        where client_id = ${clientId} and vapi_call_id = ${callId} and type = 'tool-calls' and payload ? 'output'
        order by received_at, event_key`
      return rows.map(({ payload }) => payload)
    },
  }
  return repository
}
