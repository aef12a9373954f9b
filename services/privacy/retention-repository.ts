import type { Database, Runner } from '../database/pool.ts'

/** The table `retention`, and the words that it is about. */
export function createRetentionRepository({ sql }: { sql: Database }) {
  /** A batch of one client, or of the sessions that an older server left without one. */
  const scopeOf = (clientId: string | null) =>
    clientId === null ? sql.forAllClients : sql.forClient(clientId)
  const owned = (clientId: string | null, on: Runner) =>
    clientId === null ? on`client_id is null` : on`client_id = ${clientId}`

  return {
    /** Takes the work for `seconds` if it is due and nobody has it. */
    async claim(owner: string, seconds: number, on: Runner = sql): Promise<boolean> {
      const rows = await on`
        update retention set owner = ${owner}, leased_until = now() + make_interval(secs => ${seconds})
        where due_at <= now() and (leased_until is null or leased_until < now())
        returning id`
      return rows.length > 0
    },

    /** Keeps the work. False: it has passed to somebody else meanwhile. */
    async renew(owner: string, seconds: number, on: Runner = sql): Promise<boolean> {
      const rows = await on`
        update retention set leased_until = now() + make_interval(secs => ${seconds})
        where owner = ${owner} and leased_until >= now()
        returning id`
      return rows.length > 0
    },

    /** Gives the work back; it is due again in `seconds`. */
    async release(owner: string, seconds: number, on: Runner = sql): Promise<void> {
      await on`
        update retention set owner = null, leased_until = null, due_at = now() + make_interval(secs => ${seconds})
        where owner = ${owner}`
    },

    /** Every client with what its settings say, which may be anything. */
    async clients(on: Runner = sql): Promise<{ id: string; days: unknown }[]> {
      return on<{ id: string; days: unknown }[]>`
        select id, settings -> 'retention_days' as days from clients order by id`
    },

    /** Takes the words out of up to `limit` sessions from before, and answers how many there were. */
    async stripSessions(
      clientId: string | null,
      before: Temporal.Instant,
      limit: number,
      on: Runner = scopeOf(clientId),
    ): Promise<number> {
      const rows = await on`
        with old as (
          select id from voice_sessions
          where ${owned(clientId, on)} and started_at < ${before.toString()}::text::timestamptz
            and (num_nonnulls(transcript, recording_url, summary) > 0 or has_words(context))
          limit ${limit} for update skip locked
        )
        update voice_sessions s set transcript = null, recording_url = null, summary = null,
          context = without_words(s.context), updated_at = now()
        from old where s.id = old.id
        returning s.id`
      return rows.length
    },

    /** The same for what came of tools, and for what a report said about the conversation. */
    async stripEvents(
      clientId: string,
      before: Temporal.Instant,
      limit: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<number> {
      const rows = await on`
        with old as (
          select vapi_call_id, event_key from call_events
          where client_id = ${clientId} and received_at < ${before.toString()}::text::timestamptz and has_words(payload)
          limit ${limit} for update skip locked
        )
        update call_events e set payload = without_words(e.payload)
        from old
        where e.client_id = ${clientId} and e.vapi_call_id = old.vapi_call_id and e.event_key = old.event_key
        returning e.event_key`
      return rows.length
    },

    /** The same for what assistants were told of their callers. */
    async stripSteps(
      clientId: string,
      before: Temporal.Instant,
      limit: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<number> {
      const rows = await on`
        with old as (
          select vapi_call_id, id from call_steps
          where client_id = ${clientId} and at < ${before.toString()}::text::timestamptz and has_words(payload)
          limit ${limit} for update skip locked
        )
        update call_steps s set payload = without_words(s.payload)
        from old where s.client_id = ${clientId} and s.vapi_call_id = old.vapi_call_id and s.id = old.id
        returning s.id`
      return rows.length
    },

    /** Deletes answers that tools gave, for repetitions: of a client who is called no more, nobody else does. */
    async dropRuns(
      clientId: string,
      before: Temporal.Instant,
      limit: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<number> {
      const rows = await on`
        delete from tool_runs where (client_id, vapi_call_id, tool_call_id) in (
          select client_id, vapi_call_id, tool_call_id from tool_runs
          where client_id = ${clientId} and claimed_until < ${before.toString()}::text::timestamptz
          limit ${limit} for update skip locked
        )
        returning vapi_call_id`
      return rows.length
    },
  }
}

export type RetentionRepository = ReturnType<typeof createRetentionRepository>
