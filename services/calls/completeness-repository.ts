import type { Database, Runner } from '../database/pool.ts'

/** A day as one zone has it: from an instant until before another. */
export interface ZoneDay {
  zone: string
  date: Temporal.PlainDate
  from: Temporal.Instant
  until: Temporal.Instant
}

/** A call that is not fully synced, as far as the tables tell. Times are ISO 8601. */
export interface OpenCall {
  session_id: string
  call_id: string | null
  started_at: string
  ended_at: string | null
  status: string | null
  reported: boolean
  /** The CRM agreed with what was known then, which was not all. */
  synced_before: boolean
  /** Work on it is committed and due, and not yet in the queue. */
  waiting: boolean
}

/** What one client had on one day. */
export interface DayRow {
  client_id: string
  client_name: string
  zone: string
  date: string
  calls: number
  complete: number
  /** Why nothing is sent to this client's CRM at present; null: it is. */
  paused: string | null
  open: OpenCall[]
}

/** What the tables know of how far the CRM has come with the calls. */
export function createCompletenessRepository({ sql }: { sql: Database }) {
  return {
    /** The zones that clients name; not all of them may exist. */
    async zones(clientId: string | undefined, on: Runner = sql): Promise<string[]> {
      const rows = await on<{ timezone: string | null }[]>`
        select distinct timezone from clients where ${clientId ?? null}::uuid is null or id = ${clientId ?? null}::uuid`
      return rows.flatMap(({ timezone }) => timezone ?? [])
    },

    /** Until when VAPI has been asked for calls without a report. */
    async checkedUntil(on: Runner = sql): Promise<Temporal.Instant | undefined> {
      const rows = await on<{ checked_until: Date }[]>`select checked_until from reconciler`
      return rows[0]?.checked_until.toTemporalInstant()
    },

    /**
     * Calls by client and day, counted, with those that are open, of which at most `limit` are listed, the latest
     * first. A client whose zone is not among those of `days` has the days of `fallbackZone`. One statement, so that
     * the numbers agree with each other.
     *
     * Complete is a call whose report is stored and whose sync has been through since: the note is written, or there
     * is nobody to write it about.
     */
    async days(
      days: readonly ZoneDay[],
      {
        clientId,
        fallbackZone,
        limit,
      }: { clientId: string | undefined; fallbackZone: string; limit: number },
      on: Runner = sql.forAllClients,
    ): Promise<DayRow[]> {
      const spans = days.map(({ zone, date, from, until }) => ({
        zone,
        date: date.toString(),
        from_at: from.toString(),
        until_at: until.toString(),
      }))
      return on<DayRow[]>`
        with days as materialized (
          select * from jsonb_to_recordset(${on.json(spans)}::jsonb)
            as day (zone text, date text, from_at timestamptz, until_at timestamptz)
        ), calls as (
          select s.client_id, c.client_name, d.zone, d.date, s.id, s.vapi_call_id, s.started_at, s.ended_at, s.status,
            s.reported_at, y.synced_at,
            coalesce(y.synced_at >= s.reported_at, false) as complete
          from clients c
          join days d on d.zone = case
            when c.timezone in (select zone from days) then c.timezone else ${fallbackZone}
          end
          join voice_sessions s
            on s.client_id = c.id and s.started_at >= d.from_at and s.started_at < d.until_at
          left join crm_syncs y on y.client_id = s.client_id and y.voice_session_id = s.id
          where ${clientId ?? null}::uuid is null or c.id = ${clientId ?? null}::uuid
        ), placed as (
          select *, row_number() over (partition by complete order by started_at desc, id) as place from calls
        )
        select p.client_id, p.client_name, p.zone, p.date, count(*)::int as calls,
          (count(*) filter (where p.complete))::int as complete,
          (select reason from crm_pauses where client_id = p.client_id) as paused,
          coalesce(
            jsonb_agg(
              jsonb_build_object(
                'session_id', p.id, 'call_id', p.vapi_call_id, 'started_at', p.started_at, 'ended_at', p.ended_at,
                'status', p.status, 'reported', p.reported_at is not null, 'synced_before', p.synced_at is not null,
                'waiting', exists (
                  select from outbox o
                  where o.client_id = p.client_id and o.queue = 'crm-sync' and o.due_at <= now()
                    and o.data ->> 'sessionId' = p.id::text
                )
              ) order by p.started_at desc, p.id
            ) filter (where not p.complete and p.place <= ${limit}),
            '[]'
          ) as open
        from placed p
        group by p.client_id, p.client_name, p.zone, p.date
        order by p.date desc, p.client_name, p.client_id`
    },
  }
}

export type CompletenessRepository = ReturnType<typeof createCompletenessRepository>
