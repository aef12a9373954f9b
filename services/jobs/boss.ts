import { PgBoss } from 'pg-boss'
import type { Database, DatabaseOptions, Runner } from '../database/pool.ts'
import type { QueueName } from './job.ts'

const DAY = 86_400
/** The queue's own connections: maintenance must not wait behind requests, and its statements may take longer. */
export const CONNECTIONS = { max: 4, deadlineMs: 10_000 } satisfies Partial<DatabaseOptions>

/**
 * Repetitions reach over more than a day: 15 s, doubling to an hour, 48 times, half of each step drawn by lot.
 * pg-boss would by itself repeat twice without delay, delete what is unfinished after two weeks, and notice a
 * killed worker after a quarter of an hour.
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
const DEAD_LETTERS = { retentionSeconds: 365 * DAY, deleteAfterSeconds: 365 * DAY }
/** How often it is looked for workers that have died; pg-boss by itself looks once a minute. */
const SUPERVISION = { superviseIntervalSeconds: 15, monitorIntervalSeconds: 15 }

export const QUEUES = ['crm-sync', 'erasure'] as const satisfies readonly QueueName[]
export const deadLettersOf = (queue: string) => `${queue}-dead`

export interface BossOptions {
  /** To PostgreSQL itself, as the owner of the tables that the queue makes. */
  sql: Database
  /** Seconds before the first repetition; it doubles from there. */
  retryDelaySeconds?: number | undefined
  log: Pick<Console, 'error' | 'warn'>
  /** Whether this process looks after the queue (dead workers, old jobs); a command line does not. */
  supervise?: boolean
}

/** The queue, in PostgreSQL beside the data. */
export async function openBoss({ sql, retryDelaySeconds = 15, log, supervise = true }: BossOptions) {
  const boss = new PgBoss({
    db: asBossDatabase(sql),
    registerInstance: false,
    supervise,
    schedule: false,
    ...SUPERVISION,
  })
  boss.on('error', (error) => log.error({ err: error }, 'the queue reports an error'))
  boss.on('warning', (warning) => log.warn({ warning: warning.message }, 'the queue reports a warning'))
  await boss.start()
  await Promise.all(
    QUEUES.map(async (name) => {
      const deadLetter = deadLettersOf(name)
      // One after the other: a queue names the one its dead letters go to, which must be there.
      for (const [queue, options] of [
        [deadLetter, DEAD_LETTERS],
        [name, { ...QUEUE, retryDelay: retryDelaySeconds, deadLetter }],
      ] as const) {
        await boss.createQueue(queue, options)
        // An existing queue stays as it was made, also by an older version.
        await boss.updateQueue(queue, options)
      }
    }),
  )
  return {
    boss,
    /** Waits for jobs under way; what is not done in time goes back to the queue. */
    async close(timeoutMs: number) {
      await boss.stop({ graceful: true, timeout: timeoutMs, close: false })
      await sql.end()
    },
  }
}

/** Our driver in the form pg-boss wants. Some of what it does is a script with a transaction of its own. */
export function asBossDatabase(sql: Runner | Database) {
  return {
    async executeSql(text: string, values?: unknown[]) {
      if ('script' in sql && /^\s*begin\b/i.test(text)) return { rows: await sql.script(text) }
      return { rows: [...(await sql.unsafe(text, values))] }
    },
  }
}
