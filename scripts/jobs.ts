/**
 * `npm run jobs -- <command>`: the work that waits, straight in the database. The server need not run; what is
 * brought back is done when it does.
 */
import { createAudit } from '../services/clients/audit-repository.ts'
import { createDatabase } from '../services/database/pool.ts'
import { createJobAdmin } from '../services/jobs/admin.ts'
import { CONNECTIONS, openBoss, QUEUES } from '../services/jobs/boss.ts'
import type { QueueName } from '../services/jobs/job.ts'
import { createJobsRepository, type JobRow, type JobState } from '../services/jobs/jobs-repository.ts'
import { type Context, command, facts, runCommand, table, UsageError } from './cli.ts'

const FILTER = { client: { type: 'string' }, queue: { type: 'string' } } as const
const STATES = ['queued', 'retrying', 'active', 'dead'] as const

async function withJobs<T>(
  { database, databaseUrl, note }: Context,
  work: (jobs: ReturnType<typeof createJobAdmin>) => Promise<T>,
): Promise<T> {
  const sql = await database()
  const log = { error: (_: unknown, text = '') => note(text), warn: (_: unknown, text = '') => note(text) }
  const owner = createDatabase({ url: await databaseUrl(), ...CONNECTIONS })
  const queue = await openBoss({ sql: owner, log, supervise: false })
  try {
    const jobs = createJobsRepository({ sql: owner })
    return await work(createJobAdmin({ boss: queue.boss, jobs, audit: createAudit({ sql }) }))
  } finally {
    await queue.close(0)
  }
}

function one<T extends string>(name: string, given: string | undefined, known: readonly T[]): T | undefined {
  const found = known.find((value) => value === given)
  if (given !== undefined && !found) throw new UsageError(`--${name} is one of ${known.join(', ')}`)
  return found
}

const queueOf = (values: { queue?: string | undefined }) => one<QueueName>('queue', values.queue, QUEUES)

const rowOf = ({ id, queue, state, data, attempts, next_at, cause }: JobRow) => [
  id,
  queue,
  state,
  attempts,
  next_at?.toISOString(),
  data.clientId,
  cause,
]

await runCommand('npm run jobs --', {
  list: command({
    summary: 'Lists jobs that are not done, the newest first; dead ones were given up',
    usage: '[--state dead] [--client <id>] [--queue <name>] [--limit 50]',
    options: { ...FILTER, state: { type: 'string' }, limit: { type: 'string' } },
    arguments: 0,
    run: (context) =>
      withJobs(context, async (jobs) => {
        const { values } = context
        const page = await jobs.list({
          state: one<JobState>('state', values.state, STATES),
          queue: queueOf(values),
          clientId: values.client,
          limit: Math.max(1, Math.min(1_000, Number(values.limit ?? 50) || 50)),
        })
        const head = ['id', 'queue', 'state', 'attempts', 'next', 'client', 'cause']
        context.print(page.jobs, table(head, page.jobs.map(rowOf)))
      }),
  }),
  show: command({
    summary: 'Shows one job',
    usage: '<id>',
    options: {},
    arguments: 1,
    run: (context) =>
      withJobs(context, async (jobs) => {
        const { data, created: _, ...row } = await jobs.one(context.argument(0, 'id'))
        context.print({ ...row, data }, facts({ ...row, ...data }))
      }),
  }),
  retry: command({
    summary: 'Brings dead letters back: one by its id, or --all of those that match',
    usage: '<id> | --all [--client <id>] [--queue <name>]',
    options: { ...FILTER, all: { type: 'boolean' } },
    arguments: 1,
    run: (context) =>
      withJobs(context, async (jobs) => {
        const { values } = context
        const filter = { queue: queueOf(values), clientId: values.client }
        const id = values.all ? undefined : context.argument(0, 'id')
        const moved = await jobs.retry({ id, ...filter }, context.operator)
        context.print({ moved }, moved === 0 ? 'There was nothing to bring back.' : `${moved} queued again.`)
        return id === undefined || moved > 0
      }),
  }),
})
