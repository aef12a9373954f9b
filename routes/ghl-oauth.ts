import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { Problem } from '../schemas/problem.ts'

/**
 * Where GHL sends the browser of whoever consented. Public: `state` is the credential, which names the client and was
 * signed here.
 */
const ghlOAuth: FastifyPluginAsyncTypebox = async (scope) => {
  const { install } = scope.ghl
  if (!install) return

  scope.get(
    '/ghl/oauth/callback',
    {
      config: { operation: 'ghl.oauth.callback' },
      schema: {
        summary: "Completes the connection of a client's GHL account",
        querystring: Type.Object({
          code: Type.String({ minLength: 1, maxLength: 2_000 }),
          state: Type.String({ minLength: 1, maxLength: 2_000 }),
        }),
        response: {
          200: Type.Object({ status: Type.Literal('connected'), location_id: Type.String() }),
          '4xx': Problem,
          '5xx': Problem,
        },
      },
    },
    async ({ query }, reply) => {
      const { locationId } = await install.complete(query.code, query.state)
      // The address holds a code and a state.
      reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
      return { status: 'connected' as const, location_id: locationId }
    },
  )
}

export default ghlOAuth
