import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'

const Check = Type.Union([Type.Literal('ok'), Type.Literal('failed')])
const Readiness = Type.Object({ status: Check, database: Check, queue: Check })

/** For health monitors. Public, and says nothing about anybody. */
const health: FastifyPluginAsyncTypebox = async (scope) => {
  scope.get(
    '/health',
    {
      config: { operation: 'health.live' },
      schema: {
        summary: 'Whether the process lives',
        response: { 200: Type.Object({ status: Type.Literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  scope.get(
    '/ready',
    {
      config: { operation: 'health.ready' },
      schema: {
        summary: 'Whether requests can be served: database with migrations, and queue',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (_request, reply) => {
      const tell = (check: Promise<void>) =>
        check.then(
          () => 'ok' as const,
          () => 'failed' as const,
        )
      const [database, queue] = await Promise.all([tell(scope.database.check()), tell(scope.jobs.check())])
      const ready = database === 'ok' && queue === 'ok'
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'failed', database, queue })
    },
  )
}

export default health
