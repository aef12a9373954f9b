import type { PgBoss } from 'pg-boss'
import type { Audit } from '../clients/audit-repository.ts'
import { AppError } from '../errors.ts'
import { deadLettersOf, QUEUES } from './boss.ts'
import type { QueueName } from './job.ts'
import type { JobFilter, JobRow, JobsRepository } from './jobs-repository.ts'

/** Dead letters that one request brings back; more take several. */
const RETRY_MAX = 1_000

export interface RetryFilter {
  id?: string | undefined
  queue?: QueueName | undefined
  clientId?: string | undefined
}

export interface JobAdminOptions {
  boss: Pick<PgBoss, 'redrive'>
  jobs: JobsRepository
  audit: Audit
}

/** What operators may do with jobs: look at them, and bring back those that were given up. */
export function createJobAdmin({ boss, jobs, audit }: JobAdminOptions) {
  return {
    /** A page, the newest first; `next` is where the following one begins. */
    async list(filter: Omit<JobFilter, 'before'> & { cursor?: string | undefined }) {
      const rows = await jobs.list({ ...filter, before: readCursor(filter.cursor), limit: filter.limit + 1 })
      const shown = rows.slice(0, filter.limit)
      const last = shown.at(-1)
      return { jobs: shown, next: rows.length > shown.length && last ? cursorOf(last) : undefined }
    },

    /** @throws AppError JOB_UNKNOWN */
    async one(id: string): Promise<JobRow> {
      const [job] = await jobs.list({ id, limit: 1 })
      if (!job) throw new AppError('JOB_UNKNOWN')
      return job
    },

    /**
     * Brings dead letters back into their queues and answers how many. Each is moved, so that a second request
     * finds nothing; and the work itself looks first at what is done.
     */
    async retry({ id, queue, clientId }: RetryFilter, operator: string): Promise<number> {
      let moved = 0
      for (const name of queue ? [queue] : QUEUES)
        moved += await boss.redrive(deadLettersOf(name), {
          limit: RETRY_MAX,
          ...(id && { ids: [id] }),
          ...(clientId && { data: { clientId } }),
        })
      if (moved > 0)
        await audit.write({ operator, operation: 'jobs.retry', clientId, details: { id, queue, moved } })
      return moved
    },
  }
}

export type JobAdmin = ReturnType<typeof createJobAdmin>

const cursorOf = ({ created, id }: JobRow) => Buffer.from(`${created}|${id}`).toString('base64url')

/** @throws AppError INVALID_INPUT */
function readCursor(cursor: string | undefined) {
  if (cursor === undefined) return undefined
  const [at = '', id = ''] = Buffer.from(cursor, 'base64url').toString().split('|')
  if (!/^\d{4}-\d\d-\d\d [\d:.+-]+$/.test(at) || !/^[0-9a-f-]{36}$/.test(id))
    throw new AppError('INVALID_INPUT', { field: 'cursor', detail: 'cursor is not one of ours' })
  return { at, id }
}
