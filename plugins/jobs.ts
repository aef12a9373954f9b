import fp from 'fastify-plugin'
import type { PgBoss } from 'pg-boss'
import { createDatabase } from '../services/database/pool.ts'
import { CONNECTIONS, openBoss } from '../services/jobs/boss.ts'
import { createJobsRepository, type JobsRepository } from '../services/jobs/jobs-repository.ts'
import { createOutboxRepository } from '../services/jobs/outbox-repository.ts'
import { createQueue, type Queue } from '../services/jobs/queue.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Work that may wait: committed with what it is about, repeated until it is done. */
    jobs: Queue & {
      /** What is in them. */
      readonly records: JobsRepository
      /** Brings dead letters back. */
      readonly redrive: PgBoss['redrive']
    }
  }
}

export interface JobsPluginOptions {
  /** Seconds before the first repetition; it doubles from there. */
  retryDelaySeconds?: number
  /** Milliseconds that jobs under way have when the server closes; then they go back to the queue. */
  closeMs?: number
}

export default fp<JobsPluginOptions>(
  async (app, { retryDelaySeconds, closeMs = 20_000 }) => {
    const sql = createDatabase({
      url: app.database.url,
      ...CONNECTIONS,
      onReplaced: () => app.log.error('the queue lost its database: its connections have been replaced'),
    })
    const { boss, close } = await openBoss({ sql, retryDelaySeconds, log: app.log })
    const queue = createQueue({
      boss,
      sql,
      outbox: createOutboxRepository({ sql: app.sql }),
      onFailure: (facts, final) =>
        final ? app.log.error(facts, 'a job failed for good') : app.log.warn(facts, 'a job failed'),
    })
    const records = createJobsRepository({ sql })
    const redrive: PgBoss['redrive'] = (...args) => boss.redrive(...args)
    app.decorate('jobs', Object.freeze({ ...queue, records, redrive }))
    app.addHook('onClose', async () => {
      await queue.stop()
      await close(closeMs)
    })
  },
  { name: 'jobs', dependencies: ['database'] },
)
