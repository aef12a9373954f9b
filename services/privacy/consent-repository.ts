import type { Database, Runner } from '../database/pool.ts'
import type { ConsentFact } from './consent.ts'

/** The column `voice_sessions.consent`. */
export function createConsentRepository({ sql }: { sql: Pick<Database, 'forClient'> }) {
  return {
    /**
     * Adds a caller's answer to what is known of a call, which is made if no message has made it yet. What follows of
     * it for the words that are kept, the triggers of the table see to.
     */
    async answer(
      clientId: string,
      call: { id: string; caller: string | undefined },
      consent: ConsentFact,
      on: Runner = sql.forClient(clientId),
    ): Promise<void> {
      await on`
        insert into voice_sessions as s (client_id, vapi_call_id, caller, context, consent)
        select ${clientId}::uuid, ${call.id}::text, ${call.caller ?? null}::text, '{"provisional": true}',
          ${on.json({ ...consent })}::jsonb
        where not is_erased(${clientId}, ${call.id})
        on conflict (vapi_call_id) do update set
          consent = merge_consent(s.consent, excluded.consent), caller = greatest(s.caller, excluded.caller),
          updated_at = now()
          where s.client_id = excluded.client_id`
    },
  }
}

export type ConsentRepository = ReturnType<typeof createConsentRepository>
