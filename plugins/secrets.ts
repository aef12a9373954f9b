import fp from 'fastify-plugin'
import { createSealing } from '../services/clients/sealing.ts'
import { createSealingRepository } from '../services/clients/sealing-repository.ts'
import { createDatabase } from '../services/database/pool.ts'
import { createSecrets, type Secrets } from '../services/secrets.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Seals and opens what is stored of clients' credentials. */
    secrets: Secrets
  }
}

export interface SecretsPluginOptions {
  /** The first seals, all open; none: credentials are stored in plain text. */
  keys: readonly string[]
}

/** More than a request waits: nothing has begun yet. */
const BOOT_DEADLINE_MS = 10_000

/** The keys of what is stored sealed. A key that is in use and missing is a failure to start, and not one of a call. */
export default fp<SecretsPluginOptions>(
  async (app, { keys }) => {
    const secrets = createSecrets(keys)
    const sql = createDatabase({ url: app.database.url, max: 1, deadlineMs: BOOT_DEADLINE_MS })
    try {
      const repository = createSealingRepository({ sql: sql.forAllClients })
      const { plain } = await createSealing({ repository, secrets }).check()
      if (keys.length === 0)
        app.log.warn('ENCRYPTION_KEY is not set: THE TOKENS OF CLIENTS ARE STORED IN PLAIN TEXT')
      else if (plain > 0)
        app.log.warn({ plain }, 'tokens of clients are stored in plain text: npm run clients -- seal')
    } finally {
      await sql.end()
    }
    app.decorate('secrets', secrets)
  },
  { name: 'secrets', dependencies: ['database'] },
)
