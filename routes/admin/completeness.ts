import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { CompletenessQuery, CompletenessReport } from '../../schemas/completeness.ts'
import { Problem } from '../../schemas/problem.ts'

/** Which calls have made it into the CRM. */
const completeness: FastifyPluginAsyncTypebox = async (scope) => {
  scope.get(
    '/admin/completeness',
    {
      config: { operation: 'admin.completeness' },
      schema: {
        summary: 'Says by client and day how many calls are fully synced, and lists the rest with the reason',
        querystring: CompletenessQuery,
        response: { 200: CompletenessReport, '4xx': Problem, '5xx': Problem },
      },
    },
    async ({ query: { from, to, client } }) => scope.admin.completeness({ from, to, clientId: client }),
  )
}

export default completeness
