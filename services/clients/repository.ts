import { randomUUID } from 'node:crypto'
import type { Runner } from '../database/pool.ts'
import { createSecrets, type Secrets } from '../secrets.ts'
import { type ClientRow, tokenPlace } from './client.ts'

/** What is stored of a client, in the names of the table. */
export interface NewClient {
  client_name: string
  twilio_number: string
  ghl_token: string
  location_id: string
  calendar_id?: string | null
  timezone?: string
  settings?: Record<string, unknown>
  status?: string
}

export interface ClientRepositoryOptions {
  sql: Runner
  /** Seals tokens; without it they are stored plain. */
  secrets?: Pick<Secrets, 'seal'>
}

/** The table `clients`. */
export function createClientRepository({ sql, secrets = createSecrets([]) }: ClientRepositoryOptions) {
  return {
    /** The client whose number was dialled; through the unique index idx_clients_twilio_number. */
    async byNumber(number: string, on: Runner = sql): Promise<ClientRow | undefined> {
      const rows = await on<ClientRow[]>`
        select id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status
        from clients where twilio_number = ${number}`
      return rows[0]
    },

    async byId(id: string, on: Runner = sql): Promise<ClientRow | undefined> {
      const rows = await on<ClientRow[]>`
        select id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status
        from clients where id = ${id}`
      return rows[0]
    },

    /** Which of these clients exist, and the number of each. */
    async numbersOf(ids: readonly string[], on: Runner = sql): Promise<Map<string, string>> {
      const rows = await on<{ id: string; twilio_number: string }[]>`
        select id, twilio_number from clients where id = any(${ids}::uuid[])`
      return new Map(rows.map((row) => [row.id, row.twilio_number]))
    },

    /** Writes the client that answers `twilio_number`, new or changed, with its token sealed, and answers its id. */
    async put(client: NewClient, on: Runner = sql): Promise<string> {
      const { client_name, twilio_number, location_id, calendar_id = null } = client
      for (;;) {
        // A token is sealed for its row, so the row's id is known before it is written.
        const [known] = await on<
          { id: string }[]
        >`select id from clients where twilio_number = ${twilio_number}`
        const id = known?.id ?? randomUUID()
        const [written] = await on<{ id: string }[]>`
          insert into clients
            (id, client_name, twilio_number, ghl_token, location_id, calendar_id, timezone, settings, status)
          values (
            ${id}, ${client_name}, ${twilio_number}, ${secrets.seal(client.ghl_token, tokenPlace(id))},
            ${location_id}, ${calendar_id}, ${client.timezone ?? 'America/New_York'},
            ${on.json((client.settings ?? {}) as never)}, ${client.status ?? 'active'}
          )
          on conflict (twilio_number) do update set
            client_name = excluded.client_name, ghl_token = excluded.ghl_token, location_id = excluded.location_id,
            calendar_id = excluded.calendar_id, timezone = excluded.timezone, settings = excluded.settings,
            status = excluded.status
          where clients.id = excluded.id
          returning id`
        if (written) return written.id
        // Somebody else wrote a client for this number in between: then it is theirs that is changed.
      }
    },
  }
}

export type ClientRepository = ReturnType<typeof createClientRepository>
