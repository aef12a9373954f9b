import { readToolCalls } from '../../services/vapi/messages.ts'
import { ownerOf } from './call-owner.ts'
import type { MessageHandler } from './webhooks.ts'

/** The assistant uses tools. Always 200 with one result a call: VAPI ignores any other status completely. */
export const toolCalls: MessageHandler = async (message, request) => {
  const resolution = await ownerOf(request.server, message).catch((error) => {
    request.log.error({ err: error }, 'the client could not be looked up')
    return { client: undefined, reason: 'unavailable' } as const
  })
  request.client = resolution.client
  const { callId = '', caller, calledNumber } = message
  const results = await request.server.services.tools.answerAll(
    readToolCalls(message),
    { callId, caller, calledNumber },
    resolution,
  )
  return { results }
}
