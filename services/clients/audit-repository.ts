import type { Database, Runner } from '../database/pool.ts'

/** One change by an operator. */
export interface AuditEntry {
  /** Name of the admin's token, or `cli:` and the user of the machine. */
  operator: string
  /** What was done, as `clients.change`. */
  operation: string
  /** The client it was done to, where there is one. */
  clientId?: string | undefined
  /** Names of what changed, and values that are neither secret nor personal: it is kept for ever. */
  details?: Record<string, unknown>
}

/** A row of `audit_log` in the names of the table. */
export interface AuditRow {
  /** Grows with each row. */
  id: string
  at: Date
  operator: string
  operation: string
  subject_id: string | null
  details: Record<string, unknown>
}

export interface AuditPage {
  clientId?: string | undefined
  /** Only rows with a smaller id. */
  before?: string | undefined
  limit: number
}

/** The table `audit_log`: who changed what. Rows are written and read, never changed. */
export function createAudit({ sql }: { sql: Database }) {
  return {
    /** Writes the row as part of the transaction `tx` that makes the change. */
    async write(
      { operator, operation, clientId, details = {} }: AuditEntry,
      tx: Runner = sql,
    ): Promise<void> {
      await tx`
        insert into audit_log (operator, operation, subject_id, details)
        values (${operator}, ${operation}, ${clientId ?? null}, ${tx.json(details as never)})`
    },

    /** Newest first. */
    async list({ clientId, before, limit }: AuditPage, on: Runner = sql): Promise<AuditRow[]> {
      return on<AuditRow[]>`
        select id, at, operator, operation, subject_id, details
        from audit_log
        where (${clientId ?? null}::uuid is null or subject_id = ${clientId ?? null}::uuid)
          and (${before ?? null}::bigint is null or id < ${before ?? null}::bigint)
        order by id desc
        limit ${limit}`
    },
  }
}

export type Audit = ReturnType<typeof createAudit>
