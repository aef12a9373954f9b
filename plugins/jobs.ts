import fp from 'fastify-plugin'
import { PgBoss } from 'pg-boss'
import type { SyncJob } from '../services/calls/recorder.ts'
import { createDatabase, type Database, type Runner } from '../services/database/pool.ts'
import { HopelessJob } from '../services/jobs.ts'

/** Work that may wait, by queue. Payloads hold ids only. */
interface Queues {
  'crm-sync': SyncJob
}
type QueueName = keyof Queues

declare module 'fastify' {
  interface FastifyInstance {
    jobs: {
      /** Queues work as part of the transaction `tx`: it exists if and only if that commits. */
      enqueue<Q extends QueueName>(
        queue: Q,
        data: Queues[Q],
        options: { tx: Runner; afterSeconds?: number },
      ): Promise<void>
      /** Has the workers of this instance look for work now instead of at their next poll. */
      wake(): void
      /** Has this instance work on a queue. */
      work<Q extends QueueName>(queue: Q, handler: (data: Queues[Q]) => Promise<void>): Promise<void>
      /** Rejects unless the queue answers. */
      check(): Promise<void>
    }
  }
}

export interface JobsPluginOptions {
  /** Seconds before the first repetition; it doubles from there. */
  retryDelaySeconds?: number
}

const DAY = 86_400

/**
 * Repetitions reach over more than a day and a half: 15 s, doubling to an hour, 48 times. pg-boss would by
 * itself repeat twice without delay, delete what is unfinished after two weeks, and notice a killed worker
 * after a quarter of an hour.
 */
const QUEUE = {
  retryLimit: 48,
  retryBackoff: true,
  retryDelayMax: 3_600,
  expireInSeconds: 120,
  heartbeatSeconds: 30,
  retentionSeconds: 30 * DAY,
  deleteAfterSeconds: 7 * DAY,
}
/** How often it is looked for workers that have died; pg-boss by itself looks once a minute. */
const SUPERVISION = { superviseIntervalSeconds: 15, monitorIntervalSeconds: 15 }
const DEAD_LETTERS = { retentionSeconds: 365 * DAY, deleteAfterSeconds: 365 * DAY }
const LOCAL_CONCURRENCY = 4

/** The queue, in PostgreSQL beside the data, so that a job is committed together with what it is about. */
export default fp<JobsPluginOptions>(
  async (app, { retryDelaySeconds = 15 }) => {
    // A pool of its own: maintenance must not wait behind requests, and its statements may take longer.
    const sql = createDatabase({
      url: app.database.url,
      max: 4,
      deadlineMs: 10_000,
      onReplaced: () => app.log.error('the queue lost its database: its connections have been replaced'),
    })
    const boss = new PgBoss({ db: asBossDatabase(sql), registerInstance: false, ...SUPERVISION })
    boss.on('error', (error) => app.log.error({ err: error }, 'the queue reports an error'))
    boss.on('warning', (warning) => app.log.warn({ warning: warning.message }, 'the queue reports a warning'))
    await boss.start()
    const queues = {
      'crm-sync-dead': DEAD_LETTERS,
      'crm-sync': { ...QUEUE, retryDelay: retryDelaySeconds, deadLetter: 'crm-sync-dead' },
    }
    for (const [name, settings] of Object.entries(queues)) {
      await boss.createQueue(name, settings)
      // An existing queue stays as it was made, also by an older version.
      await boss.updateQueue(name, settings)
    }

    const workers: string[] = []
    app.decorate('jobs', {
      async enqueue(queue, data, { tx, afterSeconds }) {
        await boss.send(queue, data, {
          db: asBossDatabase(tx),
          ...(afterSeconds && { startAfter: afterSeconds }),
        })
      },
      wake() {
        for (const worker of workers) boss.notifyWorker(worker)
      },
      async work(queue, handler) {
        const options = {
          localConcurrency: LOCAL_CONCURRENCY,
          pollingIntervalSeconds: 1,
          perJobResults: true,
          heartbeatRefreshSeconds: 10,
        } as const
        const id = await boss.work<Queues[typeof queue], unknown, typeof options>(
          queue,
          options,
          async (jobs) =>
            Promise.all(
              jobs.map(async (job) => {
                try {
                  await handler(job.data)
                  return { id: job.id, status: 'completed' as const }
                } catch (error) {
                  app.log.warn({ queue, job: job.id, err: error }, 'a job failed')
                  const status = error instanceof HopelessJob ? ('deadletter' as const) : ('failed' as const)
                  return {
                    id: job.id,
                    status,
                    output: { reason: error instanceof Error ? error.message : 'unknown' },
                  }
                }
              }),
            ),
        )
        workers.push(id)
      },
      async check() {
        if (!(await boss.isInstalled())) throw new Error('the queue has no tables')
      },
    })
    app.addHook('onClose', async () => {
      await boss.stop({ graceful: true, timeout: 30_000, close: false })
      await sql.end()
    })
  },
  { name: 'jobs', dependencies: ['database'] },
)

/** Our driver in the form pg-boss wants. Some of what it does is a script with a transaction of its own. */
function asBossDatabase(sql: Runner | Database) {
  return {
    async executeSql(text: string, values?: unknown[]) {
      if ('script' in sql && /^\s*begin\b/i.test(text)) return { rows: await sql.script(text) }
      return { rows: [...(await sql.unsafe(text, values))] }
    },
  }
}
