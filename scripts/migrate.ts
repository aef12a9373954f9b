/**
 * Brings the database to the newest schema and ends: for platforms that run a command before the first new instance
 * starts. Each server does the same at its start, so this only has a release fail before anything is replaced: also one
 * whose configuration is not usable. Exit code 1 says that it did.
 */
import { ConfigError, loadConfig } from '../config.ts'
import { migrate } from '../services/database/migrate.ts'
import { createDatabase } from '../services/database/pool.ts'
import { createSchemaRepository } from '../services/database/repository.ts'

try {
  const { databaseUrl, databaseDirectUrl } = loadConfig()
  const url = databaseDirectUrl ?? databaseUrl
  if (!url) throw new ConfigError(['DATABASE_URL is required'])
  const version = await migrate(url)
  const sql = createDatabase({ url, max: 1, deadlineMs: 10_000 })
  const { role, unprotected } = await createSchemaRepository({ sql })
    .serverRole()
    .finally(() => sql.end())
  process.stdout.write(`The schema is at version ${version}.\n`)
  if (role) process.stdout.write(`The server will work as ${role}, under row-level security.\n`)
  else if (unprotected)
    process.stderr.write(
      'Row-level security protects nothing: the user of DATABASE_URL may not become agent_server, and policies do not bind it.\n',
    )
  else
    process.stdout.write(
      'The server will work as the tables’ owner, under row-level security all the same.\n',
    )
} catch (error) {
  const { code } = (error ?? {}) as { code?: unknown }
  // Messages of the driver may hold the address, and with it the password.
  const text =
    error instanceof ConfigError ? error.message : `The database could not be migrated: ${code ?? error}`
  process.stderr.write(`${text}\n`)
  process.exitCode = 1
}
