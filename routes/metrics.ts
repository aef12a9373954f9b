import type { FastifyPluginAsync } from 'fastify'

/** For Prometheus, which shows its token as any operator does. */
const metrics: FastifyPluginAsync = async (scope) => {
  scope.get(
    '/metrics',
    {
      config: { operation: 'metrics' },
      schema: { summary: 'Metrics in the text format of Prometheus', produces: ['text/plain'] },
    },
    async (_request, reply) => {
      const text = await scope.metrics.text()
      return reply.type(scope.metrics.registry.contentType).send(text)
    },
  )
}

export default metrics
