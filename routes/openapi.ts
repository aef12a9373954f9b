import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'

/** What this server understands, for programs and their authors. */
const openapi: FastifyPluginAsyncTypebox = async (scope) => {
  scope.get(
    '/openapi.json',
    { config: { operation: 'openapi' }, schema: { summary: 'This document', hide: true } },
    async () => scope.swagger(),
  )
}

export default openapi
