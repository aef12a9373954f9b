import path from 'node:path'
import fp from 'fastify-plugin'
import { startEmbeddedPostgres } from '../services/database/embedded.ts'
import { migrate } from '../services/database/migrate.ts'
import { createDatabase, type Database } from '../services/database/pool.ts'
import { createSchemaRepository } from '../services/database/repository.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** PostgreSQL, with a deadline on every query. */
    sql: Database
    database: {
      /** For what needs a connection of its own. */
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
  url: string | undefined
  dataDirectory: string
}

/** Connects to PostgreSQL and brings its schema up to date before anything else starts. */
export default fp<DatabasePluginOptions>(
  async (app, { url, dataDirectory }) => {
    const embedded =
      url === undefined
        ? await startEmbeddedPostgres({ directory: path.join(dataDirectory, 'postgres') })
        : undefined
    if (embedded) app.log.warn('DATABASE_URL is not set: using an embedded PostgreSQL, for development only')
    const address = url ?? embedded?.url ?? ''
    if (embedded) app.addHook('onClose', () => embedded.stop())

    const expected = await migrate(address)
    const sql = createDatabase({
      url: address,
      onReplaced: () => app.log.error('the database stopped answering: its connections have been replaced'),
    })
    const schema = createSchemaRepository({ sql })
    app.decorate('sql', sql)
    app.decorate('database', {
      url: address,
      version: schema.version,
      expected,
    })
    app.addHook('onClose', () => sql.end())
  },
  { name: 'database' },
)
