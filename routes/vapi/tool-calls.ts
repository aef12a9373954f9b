import type { MessageHandler } from './handler.ts'

/** The assistant uses tools. Always 200 with one result a call: VAPI ignores any other status completely. */
export const toolCalls: MessageHandler = async (message, request) => {
  const { intake, messages, tools } = request.server.services
  const resolution = await intake.ownerOf(message)
  request.client = resolution.client
  const { callId = '', caller, calledNumber } = message
  const identity = { callId, caller, calledNumber }
  return { results: await tools.answerAll(messages.toolCalls(message), identity, resolution) }
}
