import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'

/** Opened from notes in the CRM: the signature in the address is the credential. */
const recordings: FastifyPluginAsyncTypebox = async (scope) => {
  scope.get(
    '/recordings/:link',
    {
      config: { operation: 'recordings.open' },
      schema: {
        summary: 'Leads to the recording of a call, at an address that is fresh at each visit',
        params: Type.Object({ link: Type.String() }),
      },
    },
    async (request, reply) => {
      const signal = AbortSignal.timeout(10_000)
      const address = await scope.services.recordings.locate(request.params.link, signal)
      return reply
        .header('cache-control', 'no-store')
        .header('referrer-policy', 'no-referrer')
        .redirect(address, 302)
    },
  )
}

export default recordings
