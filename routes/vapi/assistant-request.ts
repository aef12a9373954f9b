import type { MessageHandler } from './handler.ts'

/** Who answers? Always 200 and something VAPI can speak: any other answer ends the caller's call. */
export const assistantRequest: MessageHandler = async (message, request) => {
  const { clients, services } = request.server
  const resolution = await clients.byNumber(message.calledNumber).catch((error) => {
    request.log.error({ err: error }, 'the client could not be looked up')
    return { client: undefined, reason: 'unavailable' } as const
  })
  request.client = resolution.client
  return services.reception.answer(resolution, message.caller)
}
