import type { FastifyInstance } from 'fastify'
import type { Resolution } from '../../services/clients/resolver.ts'
import type { CallMessage } from '../../services/vapi/messages.ts'

/**
 * Whose call a message is about: the client its assistant was made for, else the client of the number that
 * was dialled, else whoever the call belongs to by what is stored of it.
 */
export async function ownerOf(
  { clients, services }: FastifyInstance,
  message: CallMessage,
): Promise<Resolution> {
  const made = await clients.byId(message.clientId)
  if (made.client || made.reason === 'unavailable') return made
  const dialled = await clients.byNumber(message.calledNumber)
  if (dialled.client || dialled.reason === 'unavailable' || !message.callId) return dialled
  const known = await services.calls.ownerOf(message.callId)
  return clients.byId(known?.client_id ?? undefined)
}
