import { setTimeout as pause } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import t from 'tap'
import type { Database } from '../../../services/database/pool.ts'
import { createQueue } from '../../../services/jobs/queue.ts'

/** A queue whose outbox is empty, and `look`, told each time somebody looks into it. */
function emptyQueue(look: () => Promise<void>) {
  const sql = { forAllClients: { begin: (work: (tx: unknown) => unknown) => work({}) } }
  return createQueue({
    boss: {} as PgBoss,
    sql: sql as unknown as Database,
    outbox: {
      add: async () => {},
      take: async () => {
        await look()
        return []
      },
    },
    onFailure: () => {},
  })
}

t.test(
  'whoever wakes the feeder at whatever moment has it look once more, long before its next poll',
  async (t) => {
    for (let steps = 0; steps < 12; steps += 1) {
      let looks = 0
      let seen: number | undefined
      const queue = emptyQueue(async () => {
        looks += 1
        if (looks > 1) return
        // So many steps after the last look, which takes it through the end of the feeding.
        let later = Promise.resolve()
        for (let n = 0; n < steps; n += 1) later = later.then(() => {})
        void later.then(() => {
          seen = looks
          queue.wake()
        })
      })
      queue.wake()
      await pause(150)
      await queue.stop()
      t.equal(seen, 1, 'it was woken after the only look')
      t.ok(looks > 1, `${steps} steps after a look`)
    }
  },
)
