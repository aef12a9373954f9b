import { setTimeout as pause } from 'node:timers/promises'
import type { Job, JobResult, PgBoss } from 'pg-boss'
import type { Database } from '../database/pool.ts'
import { asBossDatabase } from './boss.ts'
import { DeferredJob, HopelessJob, type QueueName, type Queues } from './job.ts'
import type { OutboxRepository, OutboxRow } from './outbox-repository.ts'

/** Jobs that an instance works on at a time, by queue … */
const CONCURRENCY = { 'crm-sync': 6, erasure: 1 } satisfies Record<QueueName, number>
/** … and those of one client: what GHL allows a location in the background, and a backlog holds up nobody else. */
const PER_CLIENT = 1
/** Work that waits in the outbox goes to the queue in batches: one by one is 25 times as dear. */
const OUTBOX_BATCH = 100
/**
 * Where work is committed faster than it is handed on, it gathers for so long: a batch costs the database a
 * transaction, however small it is. What comes alone never waits.
 */
const OUTBOX_GATHER_MS = 50
/** Whoever committed work wakes the instance he did it on; this is for work whose instance died. */
const OUTBOX_POLL_MS = 1_000
/** So long a job may be put off, again and again, without that being counted. */
const PATIENCE_SECONDS = 3 * 86_400
/** At most so far; then it is tried, whatever the other side said. */
const DEFERRAL_MAX_SECONDS = 3_600

type Failure = (facts: { queue: string; job: string; err: unknown }, final: boolean) => void

export interface QueueOptions {
  boss: PgBoss
  /** The queue's own connections. */
  sql: Database
  outbox: OutboxRepository
  /** Told of each attempt that failed; `final` if there will be no other. */
  onFailure: Failure
}

/** Work that may wait. */
export function createQueue({ boss, sql, outbox, onFailure }: QueueOptions) {
  const workers: string[] = []
  let feeding: Promise<void> | undefined
  let again = false

  /** Hands a batch on from the outbox, in one transaction: a job is in exactly one of the two. */
  async function handOn(): Promise<number> {
    return sql.forAllClients.begin(async (tx) => {
      const rows = await outbox.take(OUTBOX_BATCH, tx)
      for (const [queue, some] of Map.groupBy(rows, (row) => row.queue))
        await boss.insert(queue, some.map(asJob), { db: asBossDatabase(tx) })
      return rows.length
    })
  }

  async function feedAll() {
    try {
      do {
        again = false
        const moved = await handOn()
        for (const worker of workers.slice(0, moved)) boss.notifyWorker(worker)
        if (moved === OUTBOX_BATCH) again = true
        else if (again) await pause(OUTBOX_GATHER_MS)
      } while (again)
    } finally {
      // In the same breath as the last look at `again`: whoever asks after it begins anew.
      feeding = undefined
    }
  }

  /** Settles when what was committed before the call is in the queue. Rejects if the database is away. */
  async function feed(): Promise<void> {
    again = true
    feeding ??= feedAll()
    return feeding
  }

  const timer = setInterval(() => void feed().catch(() => {}), OUTBOX_POLL_MS).unref()

  async function attempt<Q extends QueueName>(
    queue: Q,
    job: Job<Queues[Q]> & { retryLimit: number; createdOn: Date },
    handler: (data: Queues[Q], signal: AbortSignal) => Promise<void>,
  ): Promise<JobResult> {
    try {
      await handler(job.data, job.signal)
      return { id: job.id, status: 'completed' }
    } catch (error) {
      const output = { reason: error instanceof Error ? error.message : 'unknown' }
      if (error instanceof DeferredJob && (await putOff(queue, job, error))) {
        onFailure({ queue, job: job.id, err: error }, false)
        return { id: job.id, status: 'completed', output: { ...output, deferredSeconds: error.afterSeconds } }
      }
      const hopeless = error instanceof HopelessJob
      onFailure({ queue, job: job.id, err: error }, hopeless || job.retryCount >= job.retryLimit)
      return { id: job.id, status: hopeless ? 'deadletter' : 'failed', output }
    }
  }

  /**
   * pg-boss knows one rhythm of repetitions for all; a job that is told when to come back goes on as a new one with
   * what the old one has left. Killed between the two there are both, and the second finds all done.
   */
  async function putOff<Q extends QueueName>(
    queue: Q,
    job: Job<Queues[Q]> & { retryLimit: number; createdOn: Date },
    { afterSeconds }: DeferredJob,
  ): Promise<boolean> {
    const { since = job.createdOn.toISOString(), ...data } = job.data as Queues[Q] & { since?: string }
    const age = (Date.now() - Date.parse(since)) / 1_000
    if (age > PATIENCE_SECONDS) return false
    // What has been told "in a moment" for an hour will not be ready in a moment: the pauses double.
    const wait = Math.min(DEFERRAL_MAX_SECONDS, Math.max(afterSeconds, age)) * (1 + Math.random() / 10)
    const next = {
      data: { ...data, since },
      startAfter: Math.max(1, Math.ceil(wait)),
      // One row for each time it is put off: of no use once it is done.
      deleteAfterSeconds: 3_600,
      retryLimit: job.retryLimit - job.retryCount,
      group: { id: job.data.clientId },
    }
    await boss.insert(queue, [next])
    return true
  }

  return {
    /** Has this instance look for work now instead of at its next poll. */
    wake(): void {
      // Under load a feeding may go on for long: whoever only wakes it must not be kept by it until it ends.
      if (feeding) again = true
      // If it fails the work stays where it is, and the timer tries again.
      else void feed().catch(() => {})
    },

    feed,
    add: outbox.add,

    /** Has this instance work on a queue. One client's backlog takes its share and no more. */
    async work<Q extends QueueName>(
      queue: Q,
      handler: (data: Queues[Q], signal: AbortSignal) => Promise<void>,
    ): Promise<void> {
      const options = {
        localGroupConcurrency: PER_CLIENT,
        pollingIntervalSeconds: 1,
        perJobResults: true,
        includeMetadata: true,
        heartbeatRefreshSeconds: 10,
      } as const
      // Each a worker of its own: only those can be woken.
      for (let n = 0; n < CONCURRENCY[queue]; n += 1) {
        const id: string = await boss.work<Queues[Q], unknown, typeof options>(
          queue,
          options,
          async (jobs) => {
            const results = await Promise.all(jobs.map((job) => attempt(queue, job, handler)))
            // There may be more: ask at once.
            boss.notifyWorker(id)
            return results
          },
        )
        workers.push(id)
      }
    },

    /** Rejects unless the queue answers. */
    async check(): Promise<void> {
      if (!(await boss.isInstalled())) throw new Error('the queue has no tables')
    },

    /** No more is handed on. */
    async stop(): Promise<void> {
      clearInterval(timer)
      await feeding?.catch(() => {})
    },
  }
}

export type Queue = ReturnType<typeof createQueue>

const asJob = ({ data, start_after }: OutboxRow) => ({
  data,
  group: { id: data.clientId },
  ...(start_after && { startAfter: start_after }),
})
