import type { Access } from '../auth/admission.ts'
import type { Meant, WhoIsMeant } from '../auth/identity.ts'
import type { Client } from '../clients/client.ts'
import type { ClientResolver, Resolution } from '../clients/resolver.ts'
import { AppError } from '../errors.ts'
import { record, text } from '../json.ts'
import { lastFour } from '../phone.ts'
import type { Notice } from '../privacy/consent.ts'
import type { CallMessage } from '../vapi/messages.ts'
import type { Recorder } from './recorder.ts'
import type { CallRepository } from './repository.ts'

/** Seconds after which VAPI may bring a message again that could not be taken. */
const RETRY_AFTER_SECONDS = 2

export interface IntakeOptions {
  clients: Pick<ClientResolver, 'byId'>
  whoIsMeant: WhoIsMeant
  calls: Pick<CallRepository, 'ownerOf'>
  recorder: Recorder
  /** What a client's calls begin with about the recording. */
  noticeOf: (client: Client) => Notice | undefined
  log: { warn(facts: object, message: string): void; error(facts: object, message: string): void }
}

/** Takes in what VAPI tells: whose call it is about, and what it means for it. */
export function createIntake({ clients, whoIsMeant, calls, recorder, noticeOf, log }: IntakeOptions) {
  /**
   * Whose call a message is about: that of the token it came with, else the client its assistant was made for, else
   * the client of the number that was dialled, else whoever the call belongs to by what is stored of it.
   * @throws AppError FORBIDDEN
   */
  async function meantBy(message: CallMessage, access: Access | undefined): Promise<Meant> {
    const { clientId, calledNumber: number, callId, caller } = message
    const meant = await whoIsMeant(access, { clientId, number, callId, caller })
    const { resolution } = meant
    if (access?.call || resolution.client || resolution.reason === 'unavailable' || !callId) return meant
    return { ...meant, resolution: await ownerOf(callId) }
  }

  async function ownerOf(callId: string): Promise<Resolution> {
    try {
      const known = await calls.ownerOf(callId)
      return await clients.byId(known?.client_id ?? undefined)
    } catch (error) {
      log.error({ call: callId, err: error }, 'the client could not be looked up')
      return { client: undefined, reason: 'unavailable' }
    }
  }

  return {
    whoIsMeant: meantBy,

    /**
     * Takes in a lifecycle message. When it returns, what the message says is committed; undefined: it is about
     * no client of ours, and there is nothing to keep.
     * @throws AppError DATABASE_UNAVAILABLE, FORBIDDEN; errors of the database
     */
    async take(message: CallMessage, access: Access | undefined): Promise<Client | undefined> {
      const { body } = message
      const { resolution, callId, caller, number } = await meantBy(message, access)
      // VAPI refused our answer to an assistant-request and says why. It names the field at fault.
      const refused = text(record(body.inboundPhoneCallDebuggingArtifacts).assistantRequestError)
      if (refused) log.error({ call: callId, refused: refused.slice(0, 1_000) }, 'VAPI refused the assistant')

      if (!resolution.client && resolution.reason === 'unknown') {
        log.warn({ type: message.type, called: lastFour(number) }, 'a message about a call of no client')
        return undefined
      }
      // Where memory knows the client but the database does not answer, a write would be waited for in vain.
      if (!resolution.client || resolution.source === 'last-known')
        throw new AppError('DATABASE_UNAVAILABLE', { retryAfterSeconds: RETRY_AFTER_SECONDS })
      const { client } = resolution
      const calledNumber = number
      if (callId) {
        const call = { clientId: client.id, callId, caller, calledNumber }
        await recorder.record(message, call, noticeOf(client))
      }
      return client
    },
  }
}

export type Intake = ReturnType<typeof createIntake>
