import type { Database, Runner } from '../database/pool.ts'

export interface ListedCall {
  id: string
  client_id: string
  client_name: string
  vapi_call_id: string | null
  caller: string | null
  started_at: Date
  /** The same with microseconds, for the cursor. */
  started: string
  ended_at: Date | null
  status: string | null
  ended_reason: string | null
  duration_seconds: number | null
  reported_at: Date | null
  synced_at: Date | null
}

export interface StoredCall extends ListedCall {
  called_number: string | null
  ghl_contact_id: string | null
  note_id: string | null
  cost: string | null
  summary: string | null
  transcript: string | null
  recorded: boolean
}

export interface StoredEvent {
  at: Date
  /** `received`, or what the server did: `assistant`, `crm-sync`. */
  kind: string
  type: string
  payload: Record<string, unknown>
}

export interface CallFilter {
  clientId?: string | undefined
  /** ISO 8601 */
  since?: string | undefined
  before?: { at: string; id: string } | undefined
  limit: number
}

/** What is stored of calls, for whoever looks after the server: across all clients. */
export function createTimelineRepository({ sql }: { sql: Pick<Database, 'forAllClients' | 'forClient'> }) {
  const columns = (on: Runner) => on`
    s.id, s.client_id, c.client_name, s.vapi_call_id, s.caller, s.started_at, s.started_at::text as started,
    s.ended_at, s.status, s.ended_reason, s.duration_seconds, s.reported_at, y.synced_at`
  const tables = (on: Runner) => on`
    voice_sessions s
    join clients c on c.id = s.client_id
    left join crm_syncs y on y.client_id = s.client_id and y.voice_session_id = s.id`

  return {
    /** The latest first. */
    async list({ clientId, since, before, limit }: CallFilter): Promise<ListedCall[]> {
      const on = clientId ? sql.forClient(clientId) : sql.forAllClients
      return on<ListedCall[]>`
        select ${columns(on)} from ${tables(on)}
        where (${clientId ?? null}::uuid is null or s.client_id = ${clientId ?? null}::uuid)
          and s.started_at >= coalesce(${since ?? null}::text::timestamptz, '-infinity')
          and (${before?.at ?? null}::text is null
            or (s.started_at, s.id) < (${before?.at ?? null}::text::timestamptz, ${before?.id ?? null}::uuid))
        order by s.started_at desc, s.id desc
        limit ${limit}`
    },

    /** By VAPI's id or by the session's. */
    async find(id: string): Promise<StoredCall | undefined> {
      const on = sql.forAllClients
      const rows = await on<StoredCall[]>`
        select ${columns(on)}, s.called_number, s.ghl_contact_id, y.note_id, s.cost::text as cost, s.summary,
          s.transcript, s.recording_url is not null as recorded
        from ${tables(on)}
        where s.vapi_call_id = ${id} or s.id::text = ${id}
        limit 1`
      return rows[0]
    },

    /** What came and what was done, in the order of time; an assistant is given as it was sent. */
    async events(clientId: string, callId: string): Promise<StoredEvent[]> {
      return sql.forClient(clientId)<StoredEvent[]>`
        select received_at as at, 'received' as kind, type, payload || jsonb_build_object('key', event_key) as payload
        from call_events where client_id = ${clientId} and vapi_call_id = ${callId}
        union all
        select s.at, s.kind, s.kind,
          s.payload || case when a.assistant is null then '{}' else jsonb_build_object('sent', a.assistant) end
        from call_steps s
        left join assistants a on a.client_id = s.client_id and a.digest = s.payload ->> 'assistant'
        where s.client_id = ${clientId} and s.vapi_call_id = ${callId}
        order by at`
    },
  }
}

export type TimelineRepository = ReturnType<typeof createTimelineRepository>
