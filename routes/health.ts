import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'

const Check = Type.Union([Type.Literal('ok'), Type.Literal('failed')])
/** Monitors give up after some seconds; one that hears nothing cannot say what has failed. */
const CHECK_DEADLINE_MS = 2_000

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
      const deadline = AbortSignal.timeout(CHECK_DEADLINE_MS)
      const late = new Promise<'failed'>((resolve) => {
        deadline.addEventListener('abort', () => resolve('failed'), { once: true })
      })
      const tell = (check: Promise<void>) => {
        const outcome = check.then(
          () => 'ok' as const,
          () => 'failed' as const,
        )
        return Promise.race([outcome, late])
      }
      const [database, queue] = await Promise.all([tell(scope.database.check()), tell(scope.jobs.check())])
      const ready = database === 'ok' && queue === 'ok'
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'failed', database, queue })
    },
  )
}

export default health
