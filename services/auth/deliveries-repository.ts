import type { Runner } from '../database/pool.ts'

/** Longer than a signature can be good: five minutes before its time and five after. */
const KEPT_MINUTES = 15

/** The table `webhook_deliveries`. */
export function createDeliveryRepository({ sql }: { sql: Runner }) {
  return {
    async isTaken(id: string, on: Runner = sql): Promise<boolean> {
      const rows = await on`select from webhook_deliveries where id = ${id}`
      return rows.length > 0
    },

    async take(id: string, on: Runner = sql) {
      await on`insert into webhook_deliveries (id) values (${id}) on conflict do nothing`
    },

    /** Drops what is too old to come again. */
    async purge(on: Runner = sql) {
      await on`
        delete from webhook_deliveries where taken_at < now() - make_interval(mins => ${KEPT_MINUTES})`
    },
  }
}

export type DeliveryRepository = ReturnType<typeof createDeliveryRepository>
