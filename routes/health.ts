import { type FastifyPluginAsyncTypebox, type Static, Type } from '@fastify/type-provider-typebox'

const Check = Type.Union([Type.Literal('ok'), Type.Literal('failed')])
/** Monitors give up after some seconds; one that hears nothing cannot say what has failed. */
const CHECK_DEADLINE_MS = 2_000

const Readiness = Type.Object({ status: Check, database: Check, migrations: Check, queue: Check })
/** It still serves; whoever sends requests here shall send them to another instance. */
const Draining = Type.Object({ status: Type.Literal('draining') })

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
        response: { 200: Readiness, 503: Type.Union([Draining, Readiness]) },
      },
    },
    async (_request, reply) => {
      if (scope.draining.active) return reply.code(503).send({ status: 'draining' as const })
      const version = scope.database.version()
      const migrated = version.then((found) => found >= scope.database.expected)
      const [database, migrations, queue] = await tell([version, migrated, scope.jobs.check()])
      const ready = [database, migrations, queue].every((check) => check === 'ok')
      return reply
        .code(ready ? 200 : 503)
        .send({ status: ready ? 'ok' : 'failed', database, migrations, queue } as Static<typeof Readiness>)
    },
  )
}

export default health

/** How each check came out; false, an error and silence are failures. */
async function tell(checks: Promise<unknown>[]): Promise<('ok' | 'failed')[]> {
  const { promise: late, resolve } = Promise.withResolvers<false>()
  const timer = setTimeout(resolve, CHECK_DEADLINE_MS, false)
  const outcomes = checks.map((check) =>
    Promise.race([check, late]).then(
      (found) => found !== false,
      () => false,
    ),
  )
  const passed = await Promise.all(outcomes)
  clearTimeout(timer)
  return passed.map((ok) => (ok ? 'ok' : 'failed'))
}
