import type { Database, Runner } from '../database/pool.ts'
import type { ClientRow } from './client.ts'

/** A row of `clients` as operators work on it. */
export interface ClientRecord extends ClientRow {
  client_name: string
  settings: Record<string, unknown>
  created_at: Date
  updated_at: Date
}

export interface ClientPage {
  /** The name and the id that the page before ended with. */
  after?: readonly [name: string, id: string] | undefined
  status?: string | undefined
  /** Part of the name, in any case. */
  name?: string | undefined
  /** Digits of the number. */
  digits?: string | undefined
  limit: number
}

/** Before every name and id. */
const FIRST = ['', '00000000-0000-0000-0000-000000000000'] as const

/** The table `clients` for its operators. */
export function createClientAdminRepository({ sql }: { sql: Database }) {
  return {
    async insert(
      row: Omit<ClientRecord, 'created_at' | 'updated_at'>,
      on: Runner = sql,
    ): Promise<ClientRecord[]> {
      return on<ClientRecord[]>`
        insert into clients
          (id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status)
        values (
          ${row.id}, ${row.client_name}, ${row.twilio_number}, ${row.ghl_token}, ${row.location_id},
          ${row.calendar_id}, ${row.timezone}, ${on.json(row.settings as never)}, ${row.status}
        )
        returning id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status,
          created_at, updated_at`
    },

    async update(row: ClientRecord, on: Runner = sql): Promise<ClientRecord[]> {
      return on<ClientRecord[]>`
        update clients set
          client_name = ${row.client_name}, twilio_number = ${row.twilio_number}, ghl_token = ${row.ghl_token},
          location_id = ${row.location_id}, calendar_id = ${row.calendar_id}, timezone = ${row.timezone},
          settings = ${on.json(row.settings as never)}, status = ${row.status}
        where id = ${row.id}
        returning id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status,
          created_at, updated_at`
    },

    /** With what is left of it in other tables. */
    async remove(id: string, on: Runner = sql): Promise<void> {
      await on`delete from clients where id = ${id}`
    },

    /** Tables whose rows belong to one client each. */
    async ownedTables(on: Runner = sql): Promise<string[]> {
      const rows = await on<{ name: string }[]>`
        select c.oid::regclass::text as name
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relkind in ('r', 'p') and c.relrowsecurity and a.attname = 'client_id' and not a.attisdropped
        order by name`
      return rows.map(({ name }) => name)
    },

    /** Deletes some of a client's rows of one of these tables, and answers how many. */
    async removeSome(table: string, id: string, most: number, on = sql.forClient(id)): Promise<number> {
      const rows = await on.unsafe(
        `delete from ${table} where ctid = any(array(select ctid from ${table} where client_id = $1 limit ${most}))
         returning 1`,
        [id],
      )
      return rows.length
    },

    async byId(id: string, on: Runner = sql): Promise<ClientRecord | undefined> {
      const rows = await on<ClientRecord[]>`
        select id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status,
          created_at, updated_at
        from clients where id = ${id}`
      return rows[0]
    },

    /** Holds the row until the transaction ends: what is merged into it is merged into what it is now. */
    async lock(id: string, tx: Runner): Promise<ClientRecord | undefined> {
      const rows = await tx<ClientRecord[]>`
        select id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status,
          created_at, updated_at
        from clients where id = ${id} for update`
      return rows[0]
    },

    /** Ids of the clients with this number or, in any case, this name; two at most. */
    async idsOf(name: string, number: string | undefined, on: Runner = sql): Promise<string[]> {
      const rows = await on<{ id: string }[]>`
        select id from clients
        where lower(client_name) = lower(${name}) or twilio_number = ${number ?? null}
        limit 2`
      return rows.map(({ id }) => id)
    },

    /** In the order of names; through idx_clients_name. */
    async list(
      { after, status, name, digits, limit }: ClientPage,
      on: Runner = sql,
    ): Promise<ClientRecord[]> {
      const [afterName, afterId] = after ?? FIRST
      return on<ClientRecord[]>`
        select id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status,
          created_at, updated_at
        from clients
        where (lower(client_name), id) > (${afterName}, ${afterId}::uuid)
          and (${status ?? null}::text is null or status = ${status ?? null})
          and (
            ${name ?? null}::text is null
            or position(lower(${name ?? null}) in lower(client_name)) > 0
            or position(${digits ?? null} in twilio_number) > 0
          )
        order by lower(client_name), id
        limit ${limit}`
    },
  }
}

export type ClientAdminRepository = ReturnType<typeof createClientAdminRepository>
