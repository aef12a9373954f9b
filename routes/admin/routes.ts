import type { FastifyPluginAsync } from 'fastify'
import audit from './audit.ts'
import calls from './calls.ts'
import check from './check.ts'
import clients from './clients.ts'
import completeness from './completeness.ts'
import erasures from './erasures.ts'
import ghlOAuth from './ghl-oauth.ts'
import jobs from './jobs.ts'

/** Everything under /admin. */
const adminRoutes: FastifyPluginAsync = async (scope) => {
  await scope.register(clients)
  await scope.register(check)
  await scope.register(completeness)
  await scope.register(calls)
  await scope.register(jobs)
  await scope.register(audit)
  await scope.register(erasures)
  await scope.register(ghlOAuth)
}

export default adminRoutes
