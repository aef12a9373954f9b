import type { MessageHandler } from './handler.ts'

/** The assistant hands the call on and does not know where to. */
export const transferDestination: MessageHandler = async (message, request) => {
  const { intake, reception } = request.server.services
  const { resolution } = await intake.whoIsMeant(message, request.access)
  request.client = resolution.client
  return reception.transfer(resolution.client)
}
