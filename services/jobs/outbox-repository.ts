import type { Database, Runner } from '../database/pool.ts'
import type { QueueName, Queues } from './job.ts'

export interface OutboxRow {
  queue: QueueName
  data: Queues[QueueName]
  /** ISO 8601; null: it is due. */
  start_after: string | null
}

/** The table `outbox`: work that is committed and not yet in the queue. */
export function createOutboxRepository({ sql }: { sql: Pick<Database, 'forClient' | 'forAllClients'> }) {
  return {
    /** Queues work as part of the transaction `on`: it exists if and only if that commits. */
    async add<Q extends QueueName>(
      queue: Q,
      data: Queues[Q],
      afterSeconds = 0,
      on: Runner = sql.forClient(data.clientId),
    ): Promise<void> {
      await on`
        insert into outbox (client_id, queue, data, due_at)
        values (${data.clientId}, ${queue}, ${on.json(data as never)}, now() + make_interval(secs => ${afterSeconds}))`
    },

    /** Takes up to so many out. They are gone if the transaction `on` commits. */
    async take(limit: number, on: Runner): Promise<OutboxRow[]> {
      return on<OutboxRow[]>`
        delete from outbox where (client_id, id) in (
          select client_id, id from outbox limit ${limit} for update skip locked
        )
        returning queue, data, case when due_at > now() then to_json(due_at) #>> '{}' end as start_after`
    },
  }
}

export type OutboxRepository = ReturnType<typeof createOutboxRepository>
