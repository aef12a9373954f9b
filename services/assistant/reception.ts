import type { Answered, Journal } from '../calls/journal.ts'
import type { Client } from '../clients/client.ts'
import type { Resolution } from '../clients/resolver.ts'
import type { Clock } from '../time.ts'
import { createBuffers, type Sender } from './buffers.ts'
import type { AssistantBuilder, CallWords, Ring } from './builder.ts'
import { PHRASES, spoken } from './phrases.ts'
import { literal } from './prompt.ts'
import { createTemplate, type Template } from './template.ts'
import { peopleOf, transferAnswer } from './transfer.ts'

export interface ReceptionOptions {
  builder: AssistantBuilder
  /** Told who answered, for the call's timeline. */
  journal: Pick<Journal, 'answered'>
  clock: Clock
  log: { error(facts: object, message: string): void; warn(facts: object, message: string): void }
}

const json = (answer: object) => Buffer.from(JSON.stringify(answer))

/** Who answers the phone. Never throws: whatever else happens, there is a caller on the line. */
export function createReception({ builder, journal, clock, log }: ReceptionOptions) {
  const buffers = createBuffers()
  const generic = json({ assistant: builder.generic() })
  /** By the client as it was read from its row: one that changes is read anew, and its template goes with the old. */
  const templates = new WeakMap<Client, Template<CallWords> | 'once'>()

  /** The assistant as it is kept for a call's timeline: with the names of the call's words in their place. */
  const kept = ({ client, now }: Answered) =>
    builder.fromWords(client, { now: now && '{now}', caller: '{caller}', callToken: undefined })

  /** Somebody who calls once, of whom a template would be made in vain, is answered without one. */
  function assistantOf(client: Client, words: CallWords, sender?: Sender): Buffer {
    const make = (each: CallWords) => ({ assistant: builder.fromWords(client, each) })
    const known = templates.get(client)
    const template = known === 'once' ? createTemplate(words, make) : known
    if (template !== known || !known) templates.set(client, template ?? 'once')
    const take = sender && ((bytes: number) => buffers.lend(bytes, sender))
    return template?.fill(words, take) ?? json(make(words))
  }

  return {
    /**
     * The answer to an assistant-request for whoever was found under the number, as VAPI's JSON: an assistant to
     * talk, a number to transfer to, or one sentence to say. Its bytes hold until `sender` has sent them.
     */
    answer(
      resolution: Resolution,
      { callId, ...ring }: Omit<Ring, 'now'> & { callId?: string | undefined },
      sender?: Sender,
    ): Buffer {
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
        if (!client.active) return json(closed(client))
        const now = clock()
        const words = builder.wordsOf(client, { ...ring, now })
        const answer = assistantOf(client, words, sender)
        if (callId) {
          const { source } = resolution
          // Not the token: what waits to be written is no place for it.
          const { now: time, caller } = words
          journal.answered({ client, callId, at: now, source, now: time, caller, assistant: kept })
        }
        return answer
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
function closed(client: Client) {
  const number = peopleOf(client)
  if (number) return { destination: { type: 'number', number, message: '' } }
  return { error: literal(PHRASES[client.settings.language ?? 'en'].closed(spoken(client.name))) }
}
