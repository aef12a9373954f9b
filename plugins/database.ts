import path from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { startEmbeddedPostgres } from '../services/database/embedded.ts'
import { migrate } from '../services/database/migrate.ts'
import { createDatabase, type Database } from '../services/database/pool.ts'
import { createSchemaRepository } from '../services/database/repository.ts'
import { traced } from '../services/database/traced.ts'

/** As patient as the migrations before it need: many instances may start at once. */
const BOOT_DEADLINE_MS = 10_000

declare module 'fastify' {
  interface FastifyInstance {
    /** PostgreSQL, with a deadline on every query. */
    sql: Database
    database: {
      /** PostgreSQL itself, for what needs a connection of its own. */
      url: string
      /** The version of the schema; rejects unless the database answers. */
      version(): Promise<number>
      /** The version this server was written for; a newer one does, during an upgrade of many instances. */
      readonly expected: number
    }
  }
}

export interface DatabasePluginOptions {
  /** Undefined: an embedded PostgreSQL under `dataDirectory` is started. */
  databaseUrl: string | undefined
  /** PostgreSQL itself, where `databaseUrl` is a pooler's. */
  databaseDirectUrl?: string | undefined
  dataDirectory: string
}

/** Connects to PostgreSQL and brings its schema up to date before anything else starts. */
export default fp<DatabasePluginOptions>(
  async (app, { databaseUrl, databaseDirectUrl, dataDirectory }) => {
    const embedded =
      databaseUrl === undefined
        ? await startEmbeddedPostgres({ directory: path.join(dataDirectory, 'postgres') })
        : undefined
    if (embedded) app.log.warn('DATABASE_URL is not set: using an embedded PostgreSQL, for development only')
    const address = databaseUrl ?? embedded?.url ?? ''
    const direct = databaseDirectUrl ?? address
    if (embedded) app.addHook('onClose', () => embedded.stop())

    const expected = await migrate(direct)
    const pooled = databaseDirectUrl !== undefined
    const sql = createDatabase({
      url: address,
      pooled,
      role: await serverRoleAt(address, pooled, app.log),
      onReplaced: () => app.log.error('the database stopped answering: its connections have been replaced'),
    })
    const schema = createSchemaRepository({ sql })
    app.decorate('sql', app.tracing.on ? traced(sql, app.tracing) : sql)
    app.decorate('database', {
      url: direct,
      version: schema.version,
      expected,
    })
    app.addHook('onClose', () => sql.end())
  },
  { name: 'database', dependencies: ['tracing'] },
)

async function serverRoleAt(
  url: string,
  pooled: boolean,
  log: FastifyBaseLogger,
): Promise<string | undefined> {
  const sql = createDatabase({ url, pooled, max: 1, deadlineMs: BOOT_DEADLINE_MS })
  try {
    const { role, unprotected } = await createSchemaRepository({ sql }).serverRole()
    if (unprotected)
      log.error(
        'the database does not protect one client from another: its user may neither become agent_server nor is it bound by row-level security',
      )
    return role
  } catch (error) {
    // What PgBouncer answers to settings that it cannot hand on.
    if (error instanceof Error && /unsupported startup parameter/.test(error.message))
      throw new Error(
        "DATABASE_URL is a pooler's: give it, and PostgreSQL's own address as DATABASE_DIRECT_URL",
        { cause: error },
      )
    throw error
  } finally {
    await sql.end()
  }
}
