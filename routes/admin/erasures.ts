import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { ErasureBody, ErasureReceipt, ErasureTaken } from '../../schemas/erasures.ts'
import { Problem } from '../../schemas/problem.ts'

/** What is kept of callers, deleted at their request. */
const erasures: FastifyPluginAsyncTypebox = async (scope) => {
  const failures = { '4xx': Problem, '5xx': Problem }

  scope.post(
    '/admin/erasures',
    {
      config: { operation: 'admin.erasures.request' },
      schema: {
        summary: 'Erases what is kept of a caller, or of one call',
        description: 'Rows here have gone with the answer; the CRM’s note, VAPI’s copy and jobs follow.',
        body: ErasureBody,
        response: { 202: ErasureTaken, ...failures },
      },
    },
    async ({ body: { client_id, phone_number, call_id }, operator }, reply) => {
      const request = { clientId: client_id, phoneNumber: phone_number, callId: call_id }
      return reply.code(202).send(await scope.admin.erasures.request(request, operator))
    },
  )

  scope.get(
    '/admin/erasures/:id',
    {
      config: { operation: 'admin.erasures.show' },
      schema: {
        summary: 'The receipt of an erasure: what was deleted, and what is still to be',
        params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
        response: { 200: ErasureReceipt, ...failures },
      },
    },
    async ({ params }) => scope.admin.erasures.receipt(params.id),
  )
}

export default erasures
