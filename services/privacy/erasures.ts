import type { Audit } from '../clients/audit-repository.ts'
import type { Database, Runner } from '../database/pool.ts'
import { AppError, invalid } from '../errors.ts'
import type { Queues } from '../jobs/job.ts'
import { toE164 } from '../phone.ts'
import {
  createErasureRepository,
  type ErasureRow,
  type Outstanding,
  type Subject,
} from './erasures-repository.ts'
import { createRowsRepository } from './rows-repository.ts'

/** Calls that go in one transaction: some tens of milliseconds. */
const CALLS_AT_ONCE = 200

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export interface ErasureRequest {
  clientId: string
  /** In any notation. */
  phoneNumber?: string | undefined
  /** VAPI's id of a call, or the session's. */
  callId?: string | undefined
}

/** What became of an erasure. It holds nobody's data, and may be kept and shown as proof. */
export interface Receipt {
  id: string
  client_id: string
  /** `request`, or `no consent`: VAPI had recorded a call whose caller did not agree. */
  reason: string
  status: 'pending' | 'done'
  /** ISO 8601 */
  requested_at: string
  done_at: string | null
  /** Rows deleted, by table. */
  rows: Record<string, number>
  /** Copies deleted elsewhere: `jobs` in the queue, `crm` notes, `vapi` calls. */
  copies: Record<string, number>
  /** Copies that are still there, and what failed, if something has. */
  outstanding: Outstanding[]
}

export interface ErasuresOptions {
  sql: Database
  audit: Audit
  /** Queues work as part of a transaction. */
  queue: (data: Queues['erasure'], tx: Runner) => Promise<void>
}

/**
 * Erasure of what is kept of callers: by their number, or one call. What goes are the call's rows in every table, jobs
 * about it, the note about it in the CRM, and VAPI's copy. What stays is what the business itself has in its CRM:
 * the contact, appointments, tasks, and messages that were sent.
 *
 * The rows go in the transaction that takes the request, with a mark by which a call is known to be erased: what is
 * told of it later is not taken in. A new call from the same number is kept. The copies elsewhere are the work of a
 * job (copies.ts).
 */
export function createErasures({ sql, audit, queue }: ErasuresOptions) {
  const erasures = createErasureRepository({ sql })
  const rows = createRowsRepository({ sql })

  /** Erases the rows of some of the calls; answers whether there may be more. */
  async function eraseSome(erasure: ErasureRow, tx: Runner): Promise<{ found: number; more: boolean }> {
    const { client_id: clientId, id, subject } = erasure
    if (!subject) return { found: 0, more: false }
    const found = await rows.callsOf(erasure, subject, CALLS_AT_ONCE, tx)
    const calls = [...new Set(found.flatMap(({ call }) => call ?? []))]
    if (found.length > 0) {
      await rows.lockCalls(calls, tx)
      const named = found.flatMap(({ session }) => session ?? [])
      const sessions = await rows.lockSessions(clientId, calls, named, tx)
      await rows.mark(clientId, calls, tx)
      await rows.noteCopies(clientId, id, calls, sessions, tx)
      await rows.erase(clientId, id, calls, sessions, tx)
    }
    const more = found.length === CALLS_AT_ONCE
    if (!more) await erasures.rowsDone(clientId, id, tx)
    return { found: found.length, more }
  }

  return {
    /** Takes a request; when it returns, its rows have gone, or will. @throws AppError CLIENT_UNKNOWN, CALL_UNKNOWN, INVALID_INPUT */
    async request(request: ErasureRequest, operator: string): Promise<{ id: string }> {
      const { clientId } = request
      const subject = subjectOf(request)
      if (!UUID.test(clientId)) throw new AppError('CLIENT_UNKNOWN')
      return sql.forClient(clientId).begin(async (tx) => {
        const erasure = await erasures.add(clientId, subject, tx)
        if (!erasure) throw new AppError('CLIENT_UNKNOWN')
        const { found } = await eraseSome(erasure, tx)
        // A number that never called is erased as asked; a call that is not there is a mistake.
        if (found === 0 && 'call' in subject) throw new AppError('CALL_UNKNOWN')
        const by = 'call' in subject ? 'call_id' : 'phone_number'
        const details = { erasure: erasure.id, by }
        await audit.write({ operator, operation: 'erasures.request', clientId, details }, tx)
        await queue({ clientId, erasureId: erasure.id }, tx)
        return { id: erasure.id }
      })
    },

    /** Erases rows that one transaction was too short for, and those that came from behind. */
    async eraseRest(erasure: ErasureRow): Promise<void> {
      const { client_id: clientId } = erasure
      while ((await sql.forClient(clientId).begin((tx) => eraseSome(erasure, tx))).more);
    },

    /** @throws AppError ERASURE_UNKNOWN */
    async receipt(id: string): Promise<Receipt> {
      const row = UUID.test(id) ? await erasures.byId(id) : undefined
      if (!row) throw new AppError('ERASURE_UNKNOWN')
      const outstanding = await erasures.outstanding(row.client_id, id)
      return {
        id,
        client_id: row.client_id,
        reason: row.reason,
        status: row.done_at ? 'done' : 'pending',
        requested_at: row.requested_at.toISOString(),
        done_at: row.done_at?.toISOString() ?? null,
        rows: row.rows_erased,
        copies: row.copies_erased,
        outstanding,
      }
    },
  }
}

export type Erasures = ReturnType<typeof createErasures>

function subjectOf({ phoneNumber, callId }: ErasureRequest): Subject {
  if ((phoneNumber === undefined) === (callId === undefined))
    throw invalid('phone_number', 'one of phone_number and call_id is required, and not both')
  if (callId !== undefined) {
    if (callId.trim() === '' || callId.length > 200)
      throw invalid('call_id', 'call_id is not the id of a call')
    return { call: callId }
  }
  const caller = toE164(phoneNumber)
  if (!caller) throw invalid('phone_number', 'phone_number is not a phone number')
  return { caller }
}
