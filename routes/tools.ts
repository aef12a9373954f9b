import { type FastifyPluginAsyncTypebox, type Static, Type } from '@fastify/type-provider-typebox'
import { Problem } from '../schemas/problem.ts'

const Identity = Type.Partial(Type.Object({ client_id: Type.String(), contact_id: Type.String() }))

/** `POST /tools/:name`, one route for each tool of the catalogue. */
const tools: FastifyPluginAsyncTypebox = async (scope) => {
  const { callers, catalogue, tools: runner } = scope.services
  for (const tool of catalogue.values()) {
    scope.post(
      `/tools/${tool.name}`,
      {
        config: { operation: `tools.${tool.name}` },
        schema: {
          summary: tool.name,
          description: tool.description,
          body: tool.restBody,
          response: { 200: tool.output, '4xx': Problem, '5xx': Problem },
        },
      },
      async (request, reply) => {
        const { client_id, contact_id, ...input } = request.body as Static<typeof Identity>
        const says = { clientId: client_id, contactId: contact_id }
        const { resolution, user } = await callers.overRest(request.access, says)
        request.client = resolution.client
        request.callId = user.call?.id
        await scope.limits.take('rest', request)
        const { output } = await runner.runOne(tool, resolution, user, input)
        return reply.code(200).send(output)
      },
    )
  }
}

export default tools
