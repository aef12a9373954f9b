import type { Vapi } from '@vapi-ai/server-sdk'
import type { Client } from '../clients/client.ts'
import type { Resolution } from '../clients/resolver.ts'
import type { Clock } from '../time.ts'
import type { AssistantBuilder } from './builder.ts'
import { PHRASES, spoken } from './phrases.ts'
import { literal } from './prompt.ts'
import { type Destination, peopleOf, transferAnswer } from './transfer.ts'

/** What VAPI is answered: an assistant to talk, a number to transfer to, or one sentence to say. */
export type Answer = { assistant: Vapi.CreateAssistantDto } | { destination: Destination } | { error: string }

export interface ReceptionOptions {
  builder: AssistantBuilder
  clock: Clock
  log: { error(facts: object, message: string): void; warn(facts: object, message: string): void }
}

/** Who answers the phone. Never throws: whatever else happens, there is a caller on the line. */
export function createReception({ builder, clock, log }: ReceptionOptions) {
  const generic: Answer = Object.freeze({ assistant: builder.generic() })

  return {
    /** The answer to an assistant-request of `caller` (E.164) for whoever was found under the number. */
    answer(resolution: Resolution, caller: string | undefined): Answer {
      const { client } = resolution
      if (!client) {
        log.warn({ reason: resolution.reason }, 'no client for the number: the generic assistant answers')
        return generic
      }
      if (resolution.source === 'last-known') {
        log.warn({ client: client.id }, 'the database did not answer: the last known client answers')
      }
      if (client.problems.length > 0) {
        log.error({ client: client.id, problems: client.problems }, 'the client is not set up correctly')
      }
      try {
        return client.active
          ? { assistant: builder.forClient(client, { caller, now: clock() }) }
          : closed(client)
      } catch (error) {
        log.error({ client: client.id, err: error }, 'no assistant could be made: the generic one answers')
        return generic
      }
    },

    /** Where a call of this client is handed to. */
    transfer: transferAnswer,
  }
}

export type Reception = ReturnType<typeof createReception>

/** A client that takes no calls here: they go to its people if there is a number, else a sentence says so. */
function closed(client: Client): Answer {
  const number = peopleOf(client)
  if (number) return { destination: { type: 'number', number, message: '' } }
  return { error: literal(PHRASES[client.settings.language ?? 'en'].closed(spoken(client.name))) }
}
