/** `npm run calls -- <command>`: what happened in calls, and why, straight from the database. */
import { createTimeline } from '../services/calls/timeline.ts'
import { createTimelineRepository, type ListedCall } from '../services/calls/timeline-repository.ts'
import { createDatabase } from '../services/database/pool.ts'
import { CONNECTIONS } from '../services/jobs/boss.ts'
import { createJobsRepository, type JobRow } from '../services/jobs/jobs-repository.ts'
import { type Context, command, facts, runCommand, table, UsageError } from './cli.ts'

/** So much of what a tool answered, or an assistant was told, is shown on a line. */
const DETAILS_MAX = 400

async function withCalls<T>(
  { database, databaseUrl }: Context,
  work: (calls: ReturnType<typeof createTimeline>) => Promise<T>,
): Promise<T> {
  const sql = await database()
  // The queue's tables are the owner's.
  const jobsOf = async (ids: readonly string[]): Promise<JobRow[]> => {
    const owner = createDatabase({ url: await databaseUrl(), ...CONNECTIONS })
    return createJobsRepository({ sql: owner })
      .ofSessions(ids)
      .finally(() => owner.end())
  }
  return work(createTimeline({ repository: createTimelineRepository({ sql }), jobsOf }))
}

/** `2026-08-21`, a whole instant, or so long ago: `2h`, `3d`. */
function sinceOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const [, count, unit] = /^(\d{1,4})([hd])$/.exec(text) ?? []
  if (count)
    return Temporal.Now.instant()
      .subtract({ hours: Number(count) * (unit === 'd' ? 24 : 1) })
      .toString()
  const instant = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text
  try {
    return Temporal.Instant.from(instant).toString()
  } catch {
    throw new UsageError('--since is a day such as 2026-08-21, an instant, or so long ago: 2h, 3d')
  }
}

const rowOf = (call: ListedCall) => [
  call.started_at.toISOString(),
  call.client_name,
  call.caller,
  call.status,
  call.ended_reason,
  call.duration_seconds,
  call.synced_at ? 'synced' : call.reported_at ? 'not synced' : 'no report',
  call.vapi_call_id ?? call.id,
]

await runCommand('npm run calls --', {
  list: command({
    summary: 'Lists calls, the latest first',
    usage: '[--client <id>] [--since 2h] [--limit 50]',
    options: { client: { type: 'string' }, since: { type: 'string' }, limit: { type: 'string' } },
    arguments: 0,
    run: (context) =>
      withCalls(context, async (calls) => {
        const { client, since, limit } = context.values
        const page = await calls.list({
          clientId: client,
          since: sinceOf(since),
          limit: Math.max(1, Math.min(1_000, Number(limit ?? 50) || 50)),
        })
        const head = ['started', 'client', 'caller', 'status', 'ended', 'seconds', 'CRM', 'call']
        context.print(page.calls, table(head, page.calls.map(rowOf)))
      }),
  }),
  show: command({
    summary: 'Explains one call: what came, who answered, which tools were used, what was written',
    usage: "<VAPI's id, or the session's>",
    options: {},
    arguments: 1,
    run: (context) =>
      withCalls(context, async (calls) => {
        const explained = await calls.explain(context.argument(0, 'call'))
        const { started: _, transcript, ...call } = explained.call
        const timeline = explained.timeline.map(({ at, what, ms, details }) => [
          at.toISOString(),
          what,
          ms,
          JSON.stringify(details).slice(0, DETAILS_MAX),
        ])
        const jobs = explained.jobs.map((job) => [
          job.id,
          job.state,
          job.attempts,
          job.next_at?.toISOString(),
          job.cause,
        ])
        const parts = [
          facts(call),
          table(['at', 'what', 'ms', 'details'], timeline),
          ...(jobs.length > 0 ? [table(['job', 'state', 'attempts', 'next', 'cause'], jobs)] : []),
          ...(transcript ? [`Transcript:\n${transcript}`] : []),
        ]
        context.print(explained, parts.join('\n\n'))
      }),
  }),
})
