import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { KNOWN_MESSAGE_PROPERTIES, WebhookBody } from '../../schemas/vapi.ts'
import { assistantRequest } from './assistant-request.ts'
import type { MessageHandler } from './handler.ts'
import { lifecycle } from './lifecycle.ts'
import { toolCalls } from './tool-calls.ts'
import { transferDestination } from './transfer-destination.ts'

/** Reports carry whole transcripts; Fastify's 1 MiB would answer 413 and lose them. */
const BODY_LIMIT = 16 * 1024 * 1024

const handlers: ReadonlyMap<string, MessageHandler> = new Map([
  ['assistant-request', assistantRequest],
  ['tool-calls', toolCalls],
  ['transfer-destination-request', transferDestination],
  ['status-update', lifecycle],
  ['end-of-call-report', lifecycle],
  ['transfer-update', lifecycle],
  ['hang', lifecycle],
])

/** VAPI's server URL: every message of every call. */
const webhooks: FastifyPluginAsyncTypebox = async (scope) => {
  // Whatever it is called, it is read as JSON; and a key such as `__proto__` in what a caller's words were
  // made into is dropped, where Fastify would refuse the whole message.
  const parse = scope.getDefaultJsonParser('remove', 'remove')
  scope.removeAllContentTypeParsers()
  // Named beside all others, since a type that has a name is found in a moment.
  scope.addContentTypeParser(
    ['application/json', '*'],
    { parseAs: 'buffer' },
    (request, body: Buffer, done) => {
      try {
        scope.guards.vapiBody(request, body)
      } catch (error) {
        return done(error as Error)
      }
      parse(request, body.toString(), done)
    },
  )
  // Where no body came, nothing was parsed.
  scope.addHook('preValidation', (request, _reply, done) => {
    if (request.access) return done()
    try {
      scope.guards.vapiBody(request, Buffer.alloc(0))
      done()
    } catch (error) {
      done(error as Error)
    }
  })

  scope.post(
    '/vapi/webhooks',
    {
      bodyLimit: BODY_LIMIT,
      config: { operation: 'vapi.webhook' },
      schema: { summary: "VAPI's server URL", body: WebhookBody },
    },
    (request, reply) => {
      const { deliveryId } = request
      return deliveryId === undefined ? handle(request, reply) : once(deliveryId, request, reply)
    },
  )

  // Not async: who answers a ringing phone can be told at once.
  function handle(request: FastifyRequest, reply: FastifyReply): unknown {
    const message = scope.services.messages.read(request.body)
    request.callId = message.callId
    const handler = handlers.get(message.type)
    const type = handler ? message.type : 'other'
    request.operation = `vapi.${type}`
    let strange = 0
    for (const name in message.body) if (!KNOWN_MESSAGE_PROPERTIES.has(name)) strange += 1
    scope.metrics.message(type, strange)
    // Types that nobody here handles are fine: VAPI adds some without notice, others are of no use to us.
    return handler ? handler(message, request, reply) : { received: true }
  }

  /** For a delivery that is signed, and whose repetition is known by its id. */
  async function once(deliveryId: string, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { deliveries } = scope.services
    if (await deliveries.isTaken(deliveryId)) return {}
    const answer = await handle(request, reply)
    // Not before: one that failed is taken when it comes again.
    await deliveries.taken(deliveryId)
    return answer
  }
}

export default webhooks
