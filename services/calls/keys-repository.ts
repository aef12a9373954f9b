import type { Runner } from '../database/pool.ts'

/** A row of `signing_keys`. */
export interface KeyRow {
  id: string
  secret: string
  /** It is old enough that every instance has read it, by the database's own clock. */
  settled: boolean
}

/** The table `signing_keys`: shared by all instances and made by the migration, so that there is nothing to set up. */
export function createKeyRepository({ sql }: { sql: Runner }) {
  return {
    /** Secrets for a purpose, the newest, which signs, first. */
    async secretsFor(purpose: string, on: Runner = sql): Promise<string[]> {
      const rows = await on<{ secret: string }[]>`
        select secret from signing_keys where purpose = ${purpose} order by id desc`
      return rows.map(({ secret }) => secret)
    },

    /** Keys for a purpose, the newest first; `settled` are those older than so many seconds. */
    async keysFor(purpose: string, settleSeconds: number, on: Runner = sql): Promise<KeyRow[]> {
      return on<KeyRow[]>`
        select id::text, secret, created_at < now() - make_interval(secs => ${settleSeconds}) as settled
        from signing_keys where purpose = ${purpose} order by id desc`
    },
  }
}

export type KeyRepository = ReturnType<typeof createKeyRepository>
