import type { Client } from '../clients/client.ts'
import type { Clock } from '../time.ts'
import type { ConsentRepository } from './consent-repository.ts'

/** What a caller is told, or asked, about the recording. */
export interface Notice {
  kind: 'announce' | 'ask'
  /** The sentence, in the caller's language. */
  wording: string
}

/** The same of one call, with what came of it: `voice_sessions.consent`. */
export interface ConsentFact extends Notice {
  /** ISO 8601: when the call began, or when the caller answered. */
  at: string
  /** Missing while there is no answer. */
  granted?: boolean
}

export interface ConsentOptions {
  repository: ConsentRepository
  /** What a client's callers are asked. */
  questionOf: (client: Client) => string
  clock: Clock
}

/**
 * Callers' answers to whether they may be recorded. A no goes before a yes, whichever comes first: whoever says no once
 * has not agreed. Without a yes the table keeps nothing of what was said (migration 011): no transcript, no recording,
 * and no summary, which is made of the transcript. What is needed to do what the caller asked for stays: bookings,
 * messages.
 *
 * What counts is what is known when a report is taken. The answer is kept while the call goes on, before the caller is
 * told, so that a yes later than the report is one that was lost on the way: it does not bring back what was dropped,
 * of which VAPI's copy goes too. A no that comes after the report removes what is there.
 */
export function createConsent({ repository, questionOf, clock }: ConsentOptions) {
  return {
    /** @throws errors of the database: then the answer is not kept, and counts as a no */
    async record(
      client: Client,
      call: { id: string; caller: string | undefined },
      granted: boolean,
    ): Promise<void> {
      const fact: ConsentFact = { kind: 'ask', wording: questionOf(client), at: clock().toString(), granted }
      await repository.answer(client.id, call, fact)
    },
  }
}

export type Consent = ReturnType<typeof createConsent>
