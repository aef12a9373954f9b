import type { Database, Runner } from '../database/pool.ts'

export interface SyncState {
  /** Names this lease; whoever lets it run out can no longer write under it. */
  lease: string
  note_id: string | null
  note_digest: string | null
  /** Seconds since a note was sent whose fate may be unknown; null if there was none. */
  attempt_age: number | null
}

/** The sync of one call, as held under one lease. */
export interface SyncKey {
  clientId: string
  sessionId: string
  lease: string
}

// As text: the driver would make a Date of a timestamp, which has no microseconds.
const held = ({ clientId, sessionId, lease }: SyncKey, on: Runner) =>
  on`client_id = ${clientId} and voice_session_id = ${sessionId} and leased_until = ${lease}::text::timestamptz`

/** The table `crm_syncs`: how far the CRM has come with each call. */
export function createSyncRepository({ sql }: { sql: Pick<Database, 'forClient'> }) {
  return {
    /**
     * Takes the sync of a call for `seconds`, and answers how far it is; undefined if somebody else has it.
     * The lease runs out by itself if whoever holds it dies.
     */
    async lease(
      clientId: string,
      sessionId: string,
      seconds: number,
      on: Runner = sql.forClient(clientId),
    ): Promise<SyncState | undefined> {
      const rows = await on<SyncState[]>`
        insert into crm_syncs as c (client_id, voice_session_id, leased_until)
        values (${clientId}, ${sessionId}, now() + make_interval(secs => ${seconds}))
        on conflict (client_id, voice_session_id) do update set leased_until = excluded.leased_until
          where c.leased_until is null or c.leased_until < now()
        returning leased_until::text as lease, note_id, note_digest,
          extract(epoch from now() - note_attempted_at)::float as attempt_age`
      return rows[0]
    },

    /** Gives the sync back, unless it has passed to somebody else. */
    async release(sync: SyncKey, synced: boolean, on: Runner = sql.forClient(sync.clientId)): Promise<void> {
      await on`
        update crm_syncs set leased_until = null, synced_at = case when ${synced} then now() else synced_at end
        where ${held(sync, on)}`
    },

    /** Before a note is sent: from now on it may exist without our knowing. False if the lease has run out. */
    async noteAttempted(sync: SyncKey, on: Runner = sql.forClient(sync.clientId)): Promise<boolean> {
      const rows = await on`
        update crm_syncs set note_attempted_at = now() where ${held(sync, on)} returning voice_session_id`
      return rows.length > 0
    },

    /** It is certain that the note which was sent does not exist. */
    async noteRefused(sync: SyncKey, on: Runner = sql.forClient(sync.clientId)): Promise<void> {
      await on`update crm_syncs set note_attempted_at = null where ${held(sync, on)}`
    },

    /** The note exists: true whoever has the lease by now. */
    async noteWritten(
      { clientId, sessionId }: SyncKey,
      noteId: string,
      digest: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<void> {
      await on`
        update crm_syncs set note_id = ${noteId}, note_digest = ${digest}
        where client_id = ${clientId} and voice_session_id = ${sessionId}`
    },
  }
}

export type SyncRepository = ReturnType<typeof createSyncRepository>
