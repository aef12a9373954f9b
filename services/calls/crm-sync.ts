import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from '../clients/client.ts'
import type { ClientResolver } from '../clients/resolver.ts'
import type { GhlAccount, GhlApi } from '../ghl/api.ts'
import type { Clock } from '../time.ts'
import { UpstreamError } from '../upstream.ts'
import { deedsOf } from './deeds.ts'
import type { Journal } from './journal.ts'
import { isNoteOf, NOTE_TITLE, writeNote } from './note.ts'
import type { Recordings } from './recordings.ts'
import type { CallRepository, Session } from './repository.ts'
import type { SyncRepository, SyncState } from './sync-repository.ts'

/**
 * The report brings the summary and comes some seconds after the end. If it never comes, the call is noted
 * in the CRM without it.
 */
export const REPORT_PATIENCE_SECONDS = 600

/** All that a call needs takes a second or two; a CRM that is slower is tried again later. */
const RUN_DEADLINE_MS = 25_000
/** Longer than one run, so that a lease never ends under a worker that lives; and one that has died is waited for. */
const LEASE_SECONDS = 40
/** Whoever has the call is done in a moment, as a rule: the pauses in which it is asked for again before it is put off. */
const LEASE_PAUSES_MS = [100, 200, 400, 800, 1_600]

/**
 * A request that we gave up on may still be carried out: so long a note that was sent and is not there may come yet.
 * An attempt is given 4 s, and nobody waits for the note.
 */
const NOTE_SETTLE_SECONDS = 60

/** Where a note's times are told for a client whose zone is not usable. */
const FALLBACK_ZONE = 'UTC'

/** Somebody else works on this call at this moment, or it is not known yet what became of a request: try later. */
export class SyncPostponed extends Error {
  override readonly name = 'SyncPostponed'
  readonly afterSeconds: number

  constructor(message: string, afterSeconds: number) {
    super(message)
    this.afterSeconds = afterSeconds
  }
}

export interface CrmSyncOptions {
  calls: Pick<CallRepository, 'byId' | 'setContact' | 'toolEvents'>
  syncs: SyncRepository
  clients: Pick<ClientResolver, 'byId'>
  ghl: GhlApi
  recordings: Pick<Recordings, 'linkOf'>
  journal: Pick<Journal, 'synced'>
  clock: Clock
}

/** What one run did in the CRM. */
interface Done {
  contact?: 'found' | 'created'
  note?: 'written' | 'rewritten'
}

/**
 * The background half of a call: makes the CRM agree with the session. It looks at what is true now, not at
 * why it was called, so it may run at any time and any number of times, and changes nothing when all is done.
 * - The caller's contact is found or created and stored on the session. Nobody is made up for an anonymous
 *   caller.
 * - When the call is over, one note about it is on that contact. It names the call, and is looked for before
 *   it is written again after an attempt whose outcome is not known.
 */
export function createCrmSync({ calls, syncs, clients, ghl, recordings, journal, clock }: CrmSyncOptions) {
  async function lease(clientId: string, sessionId: string): Promise<SyncState> {
    for (const ms of [...LEASE_PAUSES_MS, undefined]) {
      const state = await syncs.lease(clientId, sessionId, LEASE_SECONDS)
      if (state) return state
      if (ms) await pause(ms)
    }
    throw new SyncPostponed('the call is being synced by another worker', LEASE_SECONDS / 4)
  }

  async function contactOf(session: Session, account: GhlAccount, done: Done): Promise<string | undefined> {
    if (session.ghl_contact_id) return session.ghl_contact_id
    if (!session.caller) return undefined
    const { contact, existed } = await account.contacts.findOrCreate({ phone: session.caller })
    done.contact = existed ? 'found' : 'created'
    const key = { clientId: session.client_id, sessionId: session.id }
    // A tool may have been faster: there is one contact a call.
    return (await calls.setContact(key, contact.id)) ?? contact.id
  }

  function isNoteDue(session: Session): boolean {
    if (session.reported_at) return true
    if (session.status !== 'ended' || !session.ended_at) return false
    return session.ended_at.until(clock()).total('seconds') >= REPORT_PATIENCE_SECONDS
  }

  async function noteOf(session: Session, client: Client): Promise<string> {
    const deeds = deedsOf(await calls.toolEvents(session.client_id, session.vapi_call_id))
    const link = session.recording_url ? recordings.linkOf(session.id) : undefined
    return writeNote({
      session,
      deeds,
      recording: link
        ? { url: link, expires: false }
        : session.recording_url
          ? { url: session.recording_url, expires: true }
          : undefined,
      zone: client.timezone ?? FALLBACK_ZONE,
    })
  }

  async function syncNote(session: Session, client: Client, state: SyncState, notes: Notes, done: Done) {
    const sync = { clientId: session.client_id, sessionId: session.id, lease: state.lease }
    const body = await noteOf(session, client)
    const digest = createHash('sha256').update(body).digest('base64url')
    if (state.note_id && state.note_digest === digest) return

    let noteId: string | undefined = state.note_id ?? undefined
    if (!noteId && state.attempt_age !== null) {
      noteId = (await notes.all()).find((note) => isNoteOf(session.vapi_call_id, note.body))?.id
      if (!noteId && state.attempt_age < NOTE_SETTLE_SECONDS)
        throw new SyncPostponed('a note was sent and may still come', NOTE_SETTLE_SECONDS - state.attempt_age)
    }
    const rewritten = noteId !== undefined
    if (noteId) await notes.rewrite(noteId, body)
    else {
      if (!(await syncs.noteAttempted(sync))) throw new SyncPostponed('the lease has run out', 1)
      noteId = await notes.add(body).catch(async (error) => {
        const refused = error instanceof UpstreamError && error.outcome === 'none'
        if (refused) await syncs.noteRefused(sync).catch(() => {})
        throw error
      })
    }
    done.note = rewritten ? 'rewritten' : 'written'
    await syncs.noteWritten(sync, noteId, digest)
  }

  return {
    /** @throws SyncPostponed; UpstreamError, whose `retryable` says whether trying again can help */
    async run({ clientId, sessionId }: { clientId: string; sessionId: string }): Promise<void> {
      if (!(await calls.byId(clientId, sessionId))) return
      const resolution = await clients.byId(clientId)
      if (!resolution.client) {
        if (resolution.reason === 'unavailable') throw new SyncPostponed('the client could not be read', 5)
        return
      }
      const { client } = resolution
      const state = await lease(clientId, sessionId)
      const done: Done = {}
      const begun = performance.now()
      let callId: string | undefined
      let synced = false
      let failure: unknown
      try {
        // Read under the lease: whoever held it before may have changed it.
        const session = await calls.byId(clientId, sessionId)
        if (!session) return
        callId = session.vapi_call_id
        const signal = AbortSignal.timeout(RUN_DEADLINE_MS)
        const account = ghl.forClient({ clientId, ...client.crm, signal, priority: 'background' })
        const contactId = await contactOf(session, account, done)
        const due = isNoteDue(session)
        if (contactId && due) await syncNote(session, client, state, notesOf(account, contactId), done)
        synced = due
      } catch (error) {
        failure = error
        throw error
      } finally {
        await syncs.release({ clientId, sessionId, lease: state.lease }, synced)
        if (callId && (failure || done.contact || done.note))
          await journal.synced(clientId, callId, {
            ...done,
            ms: Math.round(performance.now() - begun),
            ...(failure instanceof Error && { error: failure.message }),
          })
      }
    },
  }
}

/** The notes on one contact. */
function notesOf({ contacts }: GhlAccount, contactId: string) {
  const all = () => contacts.notes(contactId)
  return {
    all,
    add: async (body: string) => (await contacts.addNote(contactId, NOTE_TITLE, body)).id,
    /** A note that somebody at the business has deleted stays deleted. */
    async rewrite(noteId: string, body: string) {
      try {
        await contacts.updateNote(contactId, noteId, NOTE_TITLE, body)
      } catch (error) {
        // GHL answers 400 or 404 for what is not there, and 400 for much else: the list tells which it is.
        const gone =
          error instanceof UpstreamError &&
          (error.status === 400 || error.status === 404) &&
          (await all()).every((note) => note.id !== noteId)
        if (!gone) throw error
      }
    },
  }
}
type Notes = ReturnType<typeof notesOf>

export type CrmSync = ReturnType<typeof createCrmSync>
