import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { Problem } from '../../schemas/problem.ts'

/** The other end of the callback: the link with which somebody at GHL consents for one client. */
const ghlOAuth: FastifyPluginAsyncTypebox = async (scope) => {
  const { install } = scope.ghl
  if (!install) return

  scope.get(
    '/admin/ghl/oauth/start',
    {
      config: { operation: 'admin.ghl.oauth.start' },
      schema: {
        summary: "The address at which a client's GHL account is connected, good for half an hour",
        querystring: Type.Object({ client_id: Type.String({ format: 'uuid' }) }),
        response: {
          200: Type.Object({ url: Type.String(), expires_in_seconds: Type.Integer() }),
          '4xx': Problem,
          '5xx': Problem,
        },
      },
    },
    async ({ query }, reply) => {
      const { url, expiresInSeconds } = await install.start(query.client_id)
      reply.header('cache-control', 'no-store')
      return { url, expires_in_seconds: expiresInSeconds }
    },
  )
}

export default ghlOAuth
