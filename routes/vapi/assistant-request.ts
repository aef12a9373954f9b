import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Resolution } from '../../services/clients/resolver.ts'
import type { CallMessage } from '../../services/vapi/messages.ts'
import type { MessageHandler } from './handler.ts'

/**
 * Who answers? Always 200 and something VAPI can speak: any other answer ends the caller's call. To have a call
 * answered takes VAPI's own credential: the token of another call does not do.
 */
export const assistantRequest: MessageHandler = (message, request, reply) => {
  const { clients, guards } = request.server
  guards.requireTrust(request)
  const resolution = clients.byNumber(message.calledNumber)
  if (!(resolution instanceof Promise)) return answer(resolution, message, request, reply)
  const failed = (err: unknown): Resolution => {
    request.log.error({ err }, 'the client could not be looked up')
    return { client: undefined, reason: 'unavailable' }
  }
  return resolution.catch(failed).then((found) => answer(found, message, request, reply))
}

function answer(
  resolution: Resolution,
  { caller, callId }: CallMessage,
  request: FastifyRequest,
  reply: FastifyReply,
): Buffer {
  const { callTokens, services } = request.server
  const { client } = resolution
  request.client = client
  const callToken = client?.active && callId ? callTokens.mint(client, callId, caller) : undefined
  // JSON already: nothing is left to be serialised while the phone rings.
  reply.type('application/json; charset=utf-8')
  return services.reception.answer(resolution, { caller, callToken, callId }, reply.raw)
}
