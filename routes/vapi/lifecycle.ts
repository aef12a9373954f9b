import type { MessageHandler } from './handler.ts'

/** What happens to a call. 200 means that it is committed; 503 has VAPI bring it again. */
export const lifecycle: MessageHandler = async (message, request) => {
  request.server.pressure.shed('lifecycle')
  request.client = await request.server.services.intake.take(message, request.access)
  return { received: true }
}
