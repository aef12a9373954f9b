import type { Runner } from '../database/pool.ts'

/** A column that holds secrets of clients. `id` names a row: a uuid, unique in the table. */
export interface SealedColumn {
  table: string
  id: string
  column: string
}

/** Every column that holds secrets; what is added here is checked at start and sealed anew when keys change. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: 'clients', id: 'id', column: 'ghl_token' },
  { table: 'ghl_oauth_tokens', id: 'client_id', column: 'access_token' },
  { table: 'ghl_oauth_tokens', id: 'client_id', column: 'refresh_token' },
]

export interface StoredSecret {
  id: string
  stored: string
}

/** Secrets as they are stored, whatever table they are in. The names in the statements are those above. */
export function createSealingRepository({ sql }: { sql: Runner }) {
  return {
    /**
     * What the function secret_key says of the column's values, each once. From one key to the next through an index
     * on it, so that a million rows cost a few look-ups.
     */
    async keysIn({ table, column }: SealedColumn, on: Runner = sql): Promise<string[]> {
      const rows = await on.unsafe(`
        with recursive keys (key) as (
          select min(secret_key(${column})) from ${table}
          union all
          select (select min(secret_key(${column})) from ${table} where secret_key(${column}) > keys.key)
          from keys where keys.key is not null
        )
        select key from keys where key is not null`)
      return rows.map(({ key }) => key as string)
    },

    /** How many values are under this key, counted up to `most`. */
    async countUnder(
      { table, column }: SealedColumn,
      key: string,
      most: number,
      on: Runner = sql,
    ): Promise<number> {
      const rows = await on.unsafe(
        `select count(*)::int as count
         from (select from ${table} where secret_key(${column}) = $1 limit ${most}) counted`,
        [key],
      )
      return rows[0]?.count ?? 0
    },

    /** Values under this key in the order of their ids. */
    async page(
      { table, id, column }: SealedColumn,
      { key, after, limit }: { key: string; after: string; limit: number },
      on: Runner = sql,
    ): Promise<StoredSecret[]> {
      const rows = await on.unsafe(
        `select ${id} as id, ${column} as stored from ${table}
         where secret_key(${column}) = $1 and ${id} > $2::uuid
         order by ${id} limit ${limit}`,
        [key, after],
      )
      return rows.map(({ id, stored }) => ({ id, stored }))
    },

    /** Puts values in the place of others, and answers how many: what was changed in the meantime stays. */
    async replace(
      { table, id, column }: SealedColumn,
      values: readonly { id: string; before: string; after: string }[],
      on: Runner = sql,
    ): Promise<number> {
      const rows = await on.unsafe(
        `update ${table} t set ${column} = n.after
         from json_to_recordset($1::json) as n (id uuid, before text, after text)
         where t.${id} = n.id and t.${column} = n.before
         returning 1`,
        [JSON.stringify(values)],
      )
      return rows.length
    },
  }
}

export type SealingRepository = ReturnType<typeof createSealingRepository>
