import type { Runner } from '../database/pool.ts'
import type { QueueName } from './job.ts'

/** What an operator asks for: `dead` are those that were given up, the others those still to be done. */
export type JobState = 'queued' | 'retrying' | 'active' | 'dead'

export interface JobRow {
  id: string
  queue: QueueName
  state: JobState
  /** Ids only. */
  data: { clientId: string; sessionId?: string; erasureId?: string }
  /** Times it has been tried. */
  attempts: number
  created_at: Date
  /** The same with microseconds, which a Date has not: jobs are made in batches. */
  created: string
  /** When it is tried next; null for one that was given up. */
  next_at: Date | null
  /** Why the last attempt failed; null if none did. */
  cause: string | null
}

export interface JobFilter {
  state?: JobState | undefined
  queue?: QueueName | undefined
  clientId?: string | undefined
  id?: string | undefined
  /** Only jobs made before. */
  before?: { at: string; id: string } | undefined
  limit: number
}

export interface QueueStats {
  queue: QueueName
  queued: number
  retrying: number
  active: number
  dead: number
  /** Of the job that has been due for longest; 0 if none is. */
  oldest_due_seconds: number
}

/** pg-boss' table of jobs, read. `sql` is the queue's own connection: the server's role does not see it. */
export function createJobsRepository({ sql }: { sql: Runner }) {
  // Jobs that are over and done are of no interest; a dead letter is a job in a queue that nobody works on.
  const open = () => sql`
    select id, regexp_replace(name, '-dead$', '') as queue, data, created_on, name,
      case
        when name like '%-dead' then 'dead'
        when state = 'created' then 'queued' when state = 'retry' then 'retrying' else state::text
      end as state,
      case when name like '%-dead' then coalesce(source_retry_count, 0) + 1 else retry_count end as attempts,
      case when name not like '%-dead' and state <> 'active' then start_after end as next_at,
      coalesce(source_output, output) ->> 'reason' as cause
    from pgboss.job
    where state < 'completed'`

  return {
    /** The newest first. */
    async list({ state, queue, clientId, id, before, limit }: JobFilter): Promise<JobRow[]> {
      return sql<JobRow[]>`
        select id, queue, state, data, attempts, created_on as created_at, created_on::text as created,
          next_at, cause
        from (${open()}) job
        where (${state ?? null}::text is null or state = ${state ?? null})
          and (${queue ?? null}::text is null or queue = ${queue ?? null})
          and (${clientId ?? null}::text is null or data ->> 'clientId' = ${clientId ?? null})
          and (${id ?? null}::uuid is null or id = ${id ?? null}::uuid)
          and (${before?.at ?? null}::text is null
            or (created_on, id) < (${before?.at ?? null}::text::timestamptz, ${before?.id ?? null}::uuid))
        order by created_on desc, id desc
        limit ${limit}`
    },

    /** Of these voice sessions, the work on each that is not done. */
    async ofSessions(sessionIds: readonly string[]): Promise<JobRow[]> {
      return sql<JobRow[]>`
        select id, queue, state, data, attempts, created_on as created_at, created_on::text as created,
          next_at, cause
        from (${open()}) job
        where queue = 'crm-sync' and data ->> 'sessionId' = any(${sessionIds}::text[])`
    },

    /** Deletes all jobs about these voice sessions, dead letters too, and answers how many are under way and stay. */
    async removeOfSessions(sessionIds: readonly string[]): Promise<{ removed: number; active: number }> {
      const rows = await sql<{ removed: number; active: number }[]>`
        with gone as (
          delete from pgboss.job
          where data ->> 'sessionId' = any(${sessionIds}::text[]) and state <> 'active'
          returning id
        )
        select (select count(*)::int from gone) as removed,
          (
            select count(*)::int from pgboss.job
            where data ->> 'sessionId' = any(${sessionIds}::text[]) and state = 'active'
          ) as active`
      return rows[0] ?? { removed: 0, active: 0 }
    },

    async stats(): Promise<QueueStats[]> {
      return sql<QueueStats[]>`
        select queue, count(*) filter (where state = 'queued')::int as queued,
          count(*) filter (where state = 'retrying')::int as retrying,
          count(*) filter (where state = 'active')::int as active,
          count(*) filter (where state = 'dead')::int as dead,
          coalesce(greatest(0, extract(epoch from now() - min(next_at))), 0)::float as oldest_due_seconds
        from (${open()}) job
        group by queue`
    },
  }
}

export type JobsRepository = ReturnType<typeof createJobsRepository>
