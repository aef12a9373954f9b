import type { Runner } from './pool.ts'

/** What `/ready` asks of the database itself. */
export function createSchemaRepository({ sql }: { sql: Runner }) {
  return {
    /** The version of the schema; rejects if the database does not answer. */
    async version(): Promise<number> {
      const rows = await sql<{ version: string }[]>`select max(version) as version from schema_version`
      return Number(rows[0]?.version ?? 0)
    },
  }
}
