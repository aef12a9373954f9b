import type { Database } from './pool.ts'

/** The role that migration 005 makes for the server: it sees a client's rows only where it says which client's. */
export const SERVER_ROLE = 'agent_server'

/** The database itself rather than anything in it. */
export function createSchemaRepository({ sql }: { sql: Database }) {
  return {
    /** The version of the newest migration that has been applied. */
    async version(): Promise<number> {
      const rows = await sql<{ version: number }[]>`
        select coalesce(max(version), 0)::int as version from schema_version`
      return rows[0]?.version ?? 0
    },

    /**
     * As which role the server can work. `role` undefined: as whoever connects, whom the policies hold for as well,
     * unless `unprotected`: then they hold for nobody.
     */
    async serverRole(): Promise<{ role: string | undefined; unprotected: boolean }> {
      const taken = sql.begin((tx) => tx`select set_config('role', ${SERVER_ROLE}, true)`)
      const refused = await taken.then(
        () => undefined,
        (error: { code?: string }) => error,
      )
      if (!refused) return { role: SERVER_ROLE, unprotected: false }
      // 22023: there is no such role; 42501: it is not ours to take.
      if (refused.code !== '22023' && refused.code !== '42501') throw refused
      const rows = await sql<{ unprotected: boolean }[]>`
        select rolsuper or rolbypassrls as unprotected from pg_roles where rolname = current_user`
      return { role: undefined, unprotected: rows[0]?.unprotected ?? true }
    },
  }
}
