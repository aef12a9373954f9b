import { createHash } from 'node:crypto'
import type { Client } from '../clients/client.ts'
import type { ClientResolver } from '../clients/resolver.ts'
import type { GhlAccount, GhlApi } from '../ghl/api.ts'
import type { Clock } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import { type Booking, NOTE_TITLE, noteMark, writeNote } from './note.ts'
import type { Recordings } from './recordings.ts'
import type { CallRepository, Session, SyncState } from './repository.ts'

/**
 * The report brings the summary and comes some seconds after the end. If it never comes, the call is noted
 * in the CRM without it.
 */
export const REPORT_PATIENCE_SECONDS = 600

/** Longer than the job may run, so that a lease never ends under a worker that lives. */
const LEASE_SECONDS = 90
const RUN_DEADLINE_MS = 60_000

/** Where a note's times are told for a client whose zone is not usable. */
const FALLBACK_ZONE = 'UTC'

/** Somebody else works on this call at this moment, or the database did not say whose it is: try later. */
export class SyncPostponed extends Error {
  override readonly name = 'SyncPostponed'
}

export interface CrmSyncOptions {
  calls: CallRepository
  clients: Pick<ClientResolver, 'byId'>
  ghl: GhlApi
  recordings: Pick<Recordings, 'linkOf'>
  clock: Clock
}

/**
 * The background half of a call: makes the CRM agree with the session. It looks at what is true now, not at
 * why it was called, so it may run at any time and any number of times, and changes nothing when all is done.
 * - The caller's contact is found or created and stored on the session. Nobody is made up for an anonymous
 *   caller.
 * - When the call is over, one note about it is on that contact. It names the call, and is looked for before
 *   it is written again after an attempt whose outcome is not known.
 */
export function createCrmSync({ calls, clients, ghl, recordings, clock }: CrmSyncOptions) {
  async function contactOf(session: Session, account: GhlAccount): Promise<string | undefined> {
    if (session.ghl_contact_id) return session.ghl_contact_id
    if (!session.caller) return undefined
    const found = await account.contacts.byPhone(session.caller)
    const contact = found ?? (await account.contacts.upsert({ phone: session.caller })).contact
    const call = {
      clientId: session.client_id,
      callId: session.vapi_call_id,
      caller: session.caller,
      calledNumber: undefined,
    }
    await calls.setContact(call, contact.id)
    return contact.id
  }

  function isNoteDue(session: Session): boolean {
    if (session.reported_at) return true
    if (session.status !== 'ended' || !session.ended_at) return false
    return session.ended_at.until(clock()).total('seconds') >= REPORT_PATIENCE_SECONDS
  }

  async function noteOf(session: Session, client: Client): Promise<string> {
    const events = await calls.toolEvents(session.client_id, session.vapi_call_id, 'book_appointment')
    const bookings = new Map<string, Booking>()
    for (const { output } of events) {
      const { appointment } = output as { appointment?: Booking & { id: string } }
      if (appointment) bookings.set(appointment.id, appointment)
    }
    const link = session.recording_url ? recordings.linkOf(session.id) : undefined
    return writeNote({
      session,
      bookings: [...bookings.values()],
      recording: link
        ? { url: link, expires: false }
        : session.recording_url
          ? { url: session.recording_url, expires: true }
          : undefined,
      zone: client.timezone ?? FALLBACK_ZONE,
    })
  }

  async function syncNote(
    session: Session,
    client: Client,
    state: SyncState,
    contactId: string,
    account: GhlAccount,
  ) {
    const body = await noteOf(session, client)
    const digest = createHash('sha256').update(body).digest('base64url')
    if (state.note_id && state.note_digest === digest) return
    const done = (noteId: string) => calls.noteWritten(session.client_id, session.id, noteId, digest)

    let noteId = state.note_id
    if (!noteId && state.note_attempted_at) {
      const mark = noteMark(session.vapi_call_id)
      noteId = (await account.contacts.notes(contactId)).find((note) => note.body.includes(mark))?.id ?? null
    }
    if (noteId) {
      await account.contacts.updateNote(contactId, noteId, NOTE_TITLE, body).catch((error) => {
        // Somebody at the business has deleted the note: it stays deleted.
        if (!(error instanceof UpstreamError && error.status === 404)) throw error
      })
      return done(noteId)
    }
    await calls.noteAttempted(session.client_id, session.id)
    return done((await account.contacts.addNote(contactId, NOTE_TITLE, body)).id)
  }

  return {
    /** @throws SyncPostponed; UpstreamError, whose `retryable` says whether trying again can help */
    async run({ clientId, sessionId }: { clientId: string; sessionId: string }): Promise<void> {
      if (!(await calls.byId(clientId, sessionId))) return
      const resolution = await clients.byId(clientId)
      if (!resolution.client) {
        if (resolution.reason === 'unavailable') throw new SyncPostponed('the client could not be read')
        return
      }
      const { client } = resolution
      const state = await calls.lease(clientId, sessionId, LEASE_SECONDS)
      if (!state) throw new SyncPostponed('the call is being synced by another worker')
      let synced = false
      try {
        // Read under the lease: whoever held it before may have changed it.
        const session = await calls.byId(clientId, sessionId)
        if (!session) return
        const account = ghl.forClient({ ...client.crm, signal: AbortSignal.timeout(RUN_DEADLINE_MS) })
        const contactId = await contactOf(session, account)
        const due = isNoteDue(session)
        if (contactId && due) await syncNote(session, client, state, contactId, account)
        synced = due
      } finally {
        await calls.release(clientId, sessionId, synced)
      }
    },
  }
}

export type CrmSync = ReturnType<typeof createCrmSync>
