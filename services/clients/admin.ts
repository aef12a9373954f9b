import { randomUUID } from 'node:crypto'
import type { ClientList, ClientView } from '../../schemas/admin.ts'
import type { Database } from '../database/pool.ts'
import { AppError, invalid } from '../errors.ts'
import type { TokenRepository } from '../ghl/tokens-repository.ts'
import { toE164 } from '../phone.ts'
import type { Secrets } from '../secrets.ts'
import { readClientChange, readNewClient } from './admin-input.ts'
import { type ClientRecord, createClientAdminRepository } from './admin-repository.ts'
import { changesOf, cursorAfter, isId, readCursor, summaryOf, viewOf } from './admin-view.ts'
import type { Audit } from './audit-repository.ts'
import { tokenPlace } from './client.ts'

const PAGE_DEFAULT = 50
/** Rows deleted by one statement: some tens of milliseconds. */
const REMOVED_AT_ONCE = 2_000

export interface ClientAdminOptions {
  sql: Database
  secrets: Pick<Secrets, 'seal' | 'open'>
  audit: Audit
  /** Whose credential GHL refused; without it that is not shown. */
  pauses?: Pick<TokenRepository, 'reasonsOf'>
}

export interface ClientListQuery {
  /** `next` of the page before. */
  cursor?: string | undefined
  limit?: number
  status?: string | undefined
  /** Part of the name, or some digits of the number. */
  q?: string | undefined
}

/**
 * What an operator does with clients, over HTTP and on the command line. Each change is one transaction with its row
 * in the audit log, and reaches every running server by the table's trigger. Tokens go in and never come out.
 */
export function createClientAdmin({ sql, secrets, audit, pauses }: ClientAdminOptions) {
  const repository = createClientAdminRepository({ sql })

  const view = (row: ClientRecord) => viewOf(row, secrets)

  /** With what is wrong on GHL's side. */
  async function viewsOf(rows: readonly ClientRecord[]): Promise<ClientView[]> {
    const paused = rows.length > 0 ? await pauses?.reasonsOf(rows.map(({ id }) => id)) : undefined
    return rows.map((row) => viewOf(row, secrets, paused?.get(row.id)))
  }

  /** The one row that was written. */
  function written([row]: ClientRecord[]): ClientView {
    if (!row) throw new AppError('CLIENT_UNKNOWN')
    return view(row)
  }

  return {
    /** @throws AppError INVALID_INPUT naming the field, NUMBER_TAKEN */
    async add(body: unknown, operator: string): Promise<ClientView> {
      const given = readNewClient(body)
      const id = randomUUID()
      const row = {
        calendar_id: null,
        timezone: 'America/New_York',
        settings: {},
        status: 'active',
        ...given,
        id,
        ghl_token: secrets.seal(given.ghl_token, tokenPlace(id)),
      }
      return unlessTaken(() =>
        sql.begin(async (tx) => {
          const rows = await repository.insert(row, tx)
          await audit.write({ operator, operation: 'clients.add', clientId: id, details: summaryOf(row) }, tx)
          return written(rows)
        }),
      )
    },

    /**
     * Changes what `body` names; of the settings, each that it names takes the place of what was there, and null
     * takes it away.
     * @throws AppError CLIENT_UNKNOWN, INVALID_INPUT naming the field, NUMBER_TAKEN
     */
    async change(id: string, body: unknown, operator: string): Promise<ClientView> {
      const { ghl_token, settings, ...given } = readClientChange(body)
      requireId(id)
      return unlessTaken(() =>
        sql.begin(async (tx) => {
          const before = await repository.lock(id, tx)
          if (!before) throw new AppError('CLIENT_UNKNOWN')
          const after = {
            ...before,
            ...given,
            settings: merged(before.settings, settings),
            ...(ghl_token !== undefined && { ghl_token: secrets.seal(ghl_token, tokenPlace(before.id)) }),
          }
          const rows = await repository.update(after, tx)
          const details = changesOf(before, after)
          await audit.write({ operator, operation: 'clients.change', clientId: before.id, details }, tx)
          return written(rows)
        }),
      )
    },

    /** @throws AppError CLIENT_UNKNOWN */
    async one(id: string): Promise<ClientView> {
      requireId(id)
      const row = await repository.byId(id)
      const [shown] = row ? await viewsOf([row]) : []
      if (!shown) throw new AppError('CLIENT_UNKNOWN')
      return shown
    },

    /**
     * The id of the client that a person names by id, number or name.
     * @throws AppError CLIENT_UNKNOWN, INVALID_INPUT if several have the name
     */
    async find(named: string): Promise<string> {
      if (isId(named)) return (await this.one(named)).id
      const ids = await repository.idsOf(named.trim(), toE164(named))
      if (ids.length > 1) throw invalid('client', 'Several clients have this name: use the id or the number')
      if (!ids[0]) throw new AppError('CLIENT_UNKNOWN')
      return ids[0]
    },

    /** In the order of names. @throws AppError INVALID_INPUT for a cursor that is not ours */
    async list({ cursor, limit = PAGE_DEFAULT, status, q }: ClientListQuery): Promise<ClientList> {
      const after = cursor === undefined ? undefined : readCursor(cursor)
      const digits = q && /^[-+\d\s().]+$/.test(q) ? q.replace(/\D/g, '') : ''
      const page = { after, status, name: q, digits: digits || undefined, limit: limit + 1 }
      const rows = await repository.list(page)
      const shown = rows.slice(0, limit)
      const last = shown.at(-1)
      return {
        clients: await viewsOf(shown),
        ...(rows.length > limit && last && { next: cursorAfter(last) }),
      }
    },

    /**
     * Removes the client and everything that is kept of it: first it is taken out of service, then its rows go in
     * batches, since those of years do not go in one statement. What was interrupted goes on when it is asked again.
     * `confirm` is the client's name or number, so that a wrong id removes nobody.
     * @throws AppError CLIENT_UNKNOWN, INVALID_INPUT
     */
    async remove(id: string, confirm: string | undefined, operator: string): Promise<void> {
      requireId(id)
      await sql.begin(async (tx) => {
        const row = await repository.lock(id, tx)
        if (!row) throw new AppError('CLIENT_UNKNOWN')
        if (!isNamed(row, confirm))
          throw invalid(
            'confirm',
            'confirm must be the name or the number of the client that is to be removed',
          )
        await repository.update({ ...row, status: 'removing' }, tx)
        await audit.write(
          { operator, operation: 'clients.remove', clientId: id, details: summaryOf(row) },
          tx,
        )
      })
      for (const table of await repository.ownedTables())
        while ((await repository.removeSome(table, id, REMOVED_AT_ONCE)) === REMOVED_AT_ONCE);
      await repository.remove(id)
    },
  }
}

export type ClientAdmin = ReturnType<typeof createClientAdmin>

function isNamed({ client_name, twilio_number }: ClientRecord, confirm = ''): boolean {
  return confirm !== '' && (confirm === client_name || toE164(confirm) === twilio_number)
}

function requireId(id: string) {
  if (!isId(id)) throw new AppError('CLIENT_UNKNOWN')
}

function merged(
  before: Readonly<Record<string, unknown>> | null,
  change: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const settings = { ...before, ...change }
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null))
}

/** PostgreSQL's word for a value that stands in a unique index already. */
const UNIQUE_VIOLATION = '23505'

async function unlessTaken<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== UNIQUE_VIOLATION) throw error
    throw new AppError('NUMBER_TAKEN', {
      cause: error,
      field: 'twilio_number',
      detail: 'twilio_number belongs to another client',
    })
  }
}
