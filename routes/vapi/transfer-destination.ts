import type { MessageHandler } from './handler.ts'

/** The assistant hands the call on and does not know where to. */
export const transferDestination: MessageHandler = async (message, request) => {
  const { intake, reception } = request.server.services
  const { client } = await intake.ownerOf(message)
  request.client = client
  return reception.transfer(client)
}
