import { setTimeout as pause } from 'node:timers/promises'
import { audit } from '../audit.ts'
import { startCluster } from '../cluster.ts'
import { during } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { createScope } from '../scope.ts'
import { openWorld, type World } from '../world.ts'

/** Ends every connection to the world's database, but our own. */
const terminateAll = ({ sql }: World) => sql`
  select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'postgres.js'`

/** A scenario whose trouble is the database's; `trouble` lasts as long as it takes. */
function troubled(name: string, title: string, trouble: (world: World) => Promise<void>): Scenario {
  return {
    name,
    title,
    async run({ cluster, calm }) {
      const world = await openWorld({ cluster })
      try {
        const load = await during(world, 0, async () => {
          await pause(2_000)
          await trouble(world)
          await pause(2_000)
        })
        calm()
        return await audit(world, load)
      } finally {
        await world.close()
      }
    },
  }
}

export const databaseScenarios: Scenario[] = [
  {
    name: 'database-restart',
    title: 'PostgreSQL is restarted under load, twice',
    async run({ calm }) {
      const scope = createScope()
      try {
        const cluster = await startCluster(scope)
        const world = await openWorld({ cluster })
        scope.teardown(() => world.close())
        const load = await during(world, 0, async () => {
          for (const seconds of [1, 4]) {
            await pause(2_000)
            // The proxy would take connections that PostgreSQL itself refuses.
            const stopping = cluster.stop()
            world.database.refuse()
            await stopping
            await pause(seconds * 1_000)
            await cluster.start()
            await world.moved()
            world.database.accept()
          }
          await pause(3_000)
        })
        calm()
        return await audit(world, load)
      } finally {
        await scope.close()
      }
    },
  },
  troubled('database-frozen', 'connections are frozen for 20 s, then heal', async ({ database }) => {
    database.freeze()
    await pause(20_000)
    database.thaw()
  }),
  troubled('database-terminated', 'all connections are ended each second for 30 s', async (world) => {
    for (let second = 0; second < 30; second++) {
      await terminateAll(world)
      await pause(1_000)
    }
  }),
  troubled('database-read-only', 'the database is read-only for 6 s', async (world) => {
    const name = new URL(world.databaseUrl()).pathname.slice(1)
    const readOnly = async (on: boolean) => {
      await world.sql.unsafe(
        `alter database ${name} set default_transaction_read_only = ${on ? 'on' : 'off'}`,
      )
      await terminateAll(world)
    }
    await readOnly(true)
    await pause(6_000)
    // Our own connection may be read-only by now.
    await world.sql`set default_transaction_read_only = off`
    await readOnly(false)
  }),
  troubled('database-slow', 'the way to the database takes 150 ms longer for 8 s', async ({ database }) => {
    database.slow(75)
    await pause(8_000)
    database.slow(0)
  }),
]
