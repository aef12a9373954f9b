import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { CheckReport } from '../../schemas/check.ts'
import { Problem } from '../../schemas/problem.ts'

/** Whether a client is set up. */
const check: FastifyPluginAsyncTypebox = async (scope) => {
  scope.post(
    '/admin/clients/:id/check',
    {
      config: { operation: 'admin.clients.check' },
      schema: {
        summary: 'Tries what a client needs, and says of each what is wrong and how to mend it',
        description: 'Changes nothing. Takes up to ten seconds where the CRM or VAPI do not answer.',
        params: Type.Object({ id: Type.String({ description: "The client's id" }) }),
        response: { 200: CheckReport, '4xx': Problem, '5xx': Problem },
      },
    },
    async ({ params, signal }) => scope.admin.check(params.id, signal),
  )
}

export default check
