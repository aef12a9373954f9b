import { AppError } from '../../services/errors.ts'
import { lastFour } from '../../services/phone.ts'
import { record, text } from '../../services/vapi/messages.ts'
import { ownerOf } from './call-owner.ts'
import type { MessageHandler } from './webhooks.ts'

const RETRY_AFTER_SECONDS = 2

/** What happens to a call. 200 means that it is committed; 503 has VAPI bring it again. */
export const lifecycle: MessageHandler = async (message, request) => {
  const { body, callId, caller, calledNumber } = message
  // VAPI refused our answer to an assistant-request and says why. It names the field at fault.
  const refused = text(record(body.inboundPhoneCallDebuggingArtifacts).assistantRequestError)
  if (refused)
    request.log.error({ call: callId, refused: refused.slice(0, 1_000) }, 'VAPI refused the assistant')

  const resolution = await ownerOf(request.server, message)
  request.client = resolution.client
  if (!resolution.client) {
    if (resolution.reason === 'unavailable')
      throw new AppError('DATABASE_UNAVAILABLE', { retryAfterSeconds: RETRY_AFTER_SECONDS })
    request.log.warn(
      { type: message.type, called: lastFour(calledNumber) },
      'a message about a call of no client',
    )
    return { received: true }
  }
  // Memory knows the client but the database does not answer: the write would only be waited for in vain.
  if (resolution.source === 'last-known')
    throw new AppError('DATABASE_UNAVAILABLE', { retryAfterSeconds: RETRY_AFTER_SECONDS })
  if (callId)
    await request.server.services.recorder.record(message, {
      clientId: resolution.client.id,
      callId,
      caller,
      calledNumber,
    })
  return { received: true }
}
