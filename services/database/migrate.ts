import { fileURLToPath } from 'node:url'
import Postgrator from 'postgrator'
import postgres from 'postgres'

/** Any number that nobody else on the database uses: the lock under which one instance migrates at a time. */
const MIGRATION_LOCK = 7_740_185
const SCHEMA_TABLE = 'schema_version'

const pattern = fileURLToPath(new URL('../../migrations/*.do.*.sql', import.meta.url))

/**
 * Brings the database to the newest schema and answers its version. All pending migrations are one
 * transaction under an advisory lock: ten instances may start together, and a failure leaves nothing behind.
 */
export async function migrate(url: string): Promise<number> {
  const sql = postgres(url, {
    max: 1,
    onnotice: () => {},
    connect_timeout: 10,
    connection: { application_name: '1000x-agent migrations' },
  })
  try {
    return await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`
      const postgrator = new Postgrator({
        driver: 'pg',
        migrationPattern: pattern,
        schemaTable: SCHEMA_TABLE,
        execQuery: async (query: string) => ({ rows: [...(await tx.unsafe(query))] }),
        execSqlScript: async (script: string) => void (await tx.unsafe(script).simple()),
      })
      await postgrator.migrate()
      return postgrator.getDatabaseVersion()
    })
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** The version that the newest migration file leads to. */
export async function newestVersion(): Promise<number> {
  return new Postgrator({
    driver: 'pg',
    migrationPattern: pattern,
    schemaTable: SCHEMA_TABLE,
  }).getMaxVersion()
}
