import path from 'node:path'
import Postgrator from 'postgrator'
import { ROOT } from '../release.ts'
import { connect } from './connection.ts'
import { DatabaseTimeout } from './pool.ts'

/** Any number that nobody else on the database uses: the lock under which one instance migrates at a time. */
const MIGRATION_LOCK = 7_740_185
const SCHEMA_TABLE = 'schema_version'
/** Rewriting a large table, or waiting for the instance that does, takes a while; a dead connection for ever. */
const DEADLINE_MS = 600_000

const pattern = path.join(ROOT, 'migrations/*.do.*.sql')

export interface MigrateOptions {
  /** Milliseconds, waiting for other instances included. */
  deadlineMs?: number
  /** Glob of the migration files. */
  files?: string
}

/**
 * Brings the database to the newest schema and answers its version. All pending migrations are one
 * transaction under an advisory lock: ten instances may start together, and a failure leaves nothing behind.
 * @throws DatabaseTimeout if that takes longer than `deadlineMs`
 */
export async function migrate(
  url: string,
  { deadlineMs = DEADLINE_MS, files = pattern }: MigrateOptions = {},
): Promise<number> {
  const { sql, close } = connect(url, {
    max: 1,
    connect_timeout: 10,
    connection: { application_name: '1000x-agent migrations' },
  })
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new DatabaseTimeout(`the migrations took longer than ${deadlineMs} ms`)),
    deadlineMs,
  )
  try {
    const work = sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`
      const postgrator = new Postgrator({
        driver: 'pg',
        migrationPattern: files,
        schemaTable: SCHEMA_TABLE,
        execQuery: async (query: string) => ({ rows: [...(await tx.unsafe(query))] }),
        execSqlScript: async (script: string) => void (await tx.unsafe(script).simple()),
      })
      await postgrator.migrate()
      return postgrator.getDatabaseVersion()
    })
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    await close(1)
  }
}
