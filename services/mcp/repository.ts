import type { Database, Runner } from '../database/pool.ts'

/** Who is phoning, as far as the call's session tells. */
export interface Caller {
  /** E.164; undefined where it is withheld. */
  readonly number: string | undefined
  /** The CRM contact, where it is known already. */
  readonly contactId: string | undefined
}

/** The table `voice_sessions`, for the MCP door. */
export function createCallerRepository({ sql }: { sql: Pick<Database, 'forClient'> }) {
  return {
    /** The caller of a call of this client; nobody if the call is not known or is another's. */
    async callerOf(
      clientId: string,
      callId: string,
      on: Runner = sql.forClient(clientId),
    ): Promise<Caller | undefined> {
      const rows = await on<{ caller: string | null; ghl_contact_id: string | null }[]>`
        select caller, ghl_contact_id from voice_sessions
        where client_id = ${clientId} and vapi_call_id = ${callId}`
      const [row] = rows
      return row && { number: row.caller ?? undefined, contactId: row.ghl_contact_id ?? undefined }
    },
  }
}

export type CallerRepository = ReturnType<typeof createCallerRepository>
