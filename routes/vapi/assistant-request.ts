import type { MessageHandler } from './handler.ts'

/**
 * Who answers? Always 200 and something VAPI can speak: any other answer ends the caller's call. To have a call
 * answered takes VAPI's own credential: the token of another call does not do.
 */
export const assistantRequest: MessageHandler = async (message, request, reply) => {
  const { callTokens, clients, guards, services } = request.server
  guards.requireTrust(request)
  const resolution = await clients.byNumber(message.calledNumber).catch((error) => {
    request.log.error({ err: error }, 'the client could not be looked up')
    return { client: undefined, reason: 'unavailable' } as const
  })
  request.client = resolution.client
  const { caller, callId } = message
  const callToken =
    resolution.client?.active && callId ? callTokens.mint(resolution.client, callId, caller) : undefined
  // JSON already: nothing is left to be serialised while the phone rings.
  reply.type('application/json; charset=utf-8')
  return services.reception.answer(resolution, { caller, callToken, callId }, reply.raw)
}
