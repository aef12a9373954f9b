import type { MessageHandler } from './handler.ts'

/**
 * The assistant uses tools. Always 200 with one result a call: VAPI ignores any other status completely. Only who
 * names another's call with the token of their own is refused, and that is not VAPI.
 */
export const toolCalls: MessageHandler = async (message, request) => {
  const { limits, services } = request.server
  const { intake, messages, tools } = services
  const { resolution, callId = '', caller, number } = await intake.whoIsMeant(message, request.access)
  request.client = resolution.client
  request.callId = callId || undefined
  const identity = { callId, caller, calledNumber: number }
  const limited = resolution.client !== undefined && (await limits.count('calls', request)) !== undefined
  return { results: await tools.answerAll(messages.toolCalls(message), identity, resolution, limited) }
}
