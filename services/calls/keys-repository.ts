import type { Runner } from '../database/pool.ts'

/** The table `signing_keys`: shared by all instances and made by the migration, so that there is nothing to set up. */
export function createKeyRepository({ sql }: { sql: Runner }) {
  return {
    /** Secrets for a purpose, the newest, which signs, first. */
    async secretsFor(purpose: string, on: Runner = sql): Promise<string[]> {
      const rows = await on<{ secret: string }[]>`
        select secret from signing_keys where purpose = ${purpose} order by id desc`
      return rows.map(({ secret }) => secret)
    },
  }
}
