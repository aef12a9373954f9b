import type { Client } from '../clients/client.ts'
import type { ClientResolver, Resolution } from '../clients/resolver.ts'
import { AppError } from '../errors.ts'
import { record, text } from '../json.ts'
import { lastFour } from '../phone.ts'
import type { CallMessage } from '../vapi/messages.ts'
import type { Recorder } from './recorder.ts'
import type { CallRepository } from './repository.ts'

/** Seconds after which VAPI may bring a message again that could not be taken. */
const RETRY_AFTER_SECONDS = 2

export interface IntakeOptions {
  clients: Pick<ClientResolver, 'byId' | 'byNumber'>
  calls: Pick<CallRepository, 'ownerOf'>
  recorder: Recorder
  log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

/** Takes in what VAPI tells: whose call it is about, and what it means for it. */
export function createIntake({ clients, calls, recorder, log }: IntakeOptions) {
  /**
   * Whose call a message is about: the client its assistant was made for, else the client of the number that
   * was dialled, else whoever the call belongs to by what is stored of it. Never rejects.
   */
  async function ownerOf(message: CallMessage): Promise<Resolution> {
    try {
      const made = await clients.byId(message.clientId)
      if (made.client || made.reason === 'unavailable') return made
      const dialled = await clients.byNumber(message.calledNumber)
      if (dialled.client || dialled.reason === 'unavailable' || !message.callId) return dialled
      const known = await calls.ownerOf(message.callId)
      return await clients.byId(known?.client_id ?? undefined)
    } catch (error) {
      log.error({ call: message.callId, err: error }, 'the client could not be looked up')
      return { client: undefined, reason: 'unavailable' }
    }
  }

  return {
    ownerOf,

    /**
     * Takes in a lifecycle message. When it returns, what the message says is committed; undefined: it is about
     * no client of ours, and there is nothing to keep.
     * @throws AppError DATABASE_UNAVAILABLE; errors of the database
     */
    async take(message: CallMessage): Promise<Client | undefined> {
      const { body, callId, caller, calledNumber } = message
      // VAPI refused our answer to an assistant-request and says why. It names the field at fault.
      const refused = text(record(body.inboundPhoneCallDebuggingArtifacts).assistantRequestError)
      if (refused) log.error({ call: callId, refused: refused.slice(0, 1_000) }, 'VAPI refused the assistant')

      const resolution = await ownerOf(message)
      if (!resolution.client && resolution.reason === 'unknown') {
        log.warn(
          { type: message.type, called: lastFour(calledNumber) },
          'a message about a call of no client',
        )
        return undefined
      }
      // Where memory knows the client but the database does not answer, a write would be waited for in vain.
      if (!resolution.client || resolution.source === 'last-known')
        throw new AppError('DATABASE_UNAVAILABLE', { retryAfterSeconds: RETRY_AFTER_SECONDS })
      const { client } = resolution
      if (callId) await recorder.record(message, { clientId: client.id, callId, caller, calledNumber })
      return client
    },
  }
}

export type Intake = ReturnType<typeof createIntake>
