import type { Database, Runner } from '../database/pool.ts'

export interface Step {
  clientId: string
  callId: string
  kind: 'assistant' | 'crm-sync'
  /** Milliseconds since 1970. */
  at: number
  payload: Record<string, unknown>
  /** Goes into the payload under this name. Many calls of the same minute have it in common, so it is sent once. */
  now?: string | undefined
}

/** A version of a client's assistant. */
export interface SentAssistant {
  clientId: string
  digest: string
  assistant: unknown
}

/** The tables `call_steps` and `assistants`: what this server did about its calls. */
export function createStepRepository({ sql }: { sql: Pick<Database, 'forAllClients'> }) {
  return {
    /** Of any clients at once. Those of a client that is gone, or of a call that was erased, are left out. */
    async add(
      steps: readonly Step[],
      assistants: readonly SentAssistant[] = [],
      on: Runner = sql.forAllClients,
    ): Promise<void> {
      const times = [...new Set(steps.flatMap(({ now }) => now ?? []))]
      const placeOf = new Map(times.map((now, n) => [now, n + 1]))
      const rows = steps.map(({ clientId, callId, kind, at, payload, now }) => {
        return { clientId, callId, kind, at, payload, now: now && placeOf.get(now) }
      })
      await on`
        with sent as (
          insert into assistants (client_id, digest, assistant)
          select a."clientId", a.digest, a.assistant
          from jsonb_to_recordset(${on.json(assistants as never)}) as a ("clientId" uuid, digest text, assistant jsonb)
          join clients c on c.id = a."clientId"
          on conflict do nothing
        )
        insert into call_steps (client_id, vapi_call_id, kind, at, payload)
        select s."clientId", s."callId", s.kind, to_timestamp(s.at / 1000),
          case when s.now is null then s.payload
            else s.payload || jsonb_build_object('now', (${times}::text[])[s.now]) end
        from jsonb_to_recordset(${on.json(rows as never)})
          as s ("clientId" uuid, "callId" text, kind text, at double precision, payload jsonb, now integer)
        join clients c on c.id = s."clientId"
        where not exists (
          select from erased_calls e where e.client_id = s."clientId" and e.call_mark = call_mark(s."callId")
        )`
    },
  }
}

export type StepRepository = ReturnType<typeof createStepRepository>
