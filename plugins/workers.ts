import fp from 'fastify-plugin'
import { type CrmSync, SyncPostponed } from '../services/calls/crm-sync.ts'
import { DeferredJob, jobFailure } from '../services/jobs/job.ts'

/** The background half: has this instance work on the queues. */
export default fp(
  async (app) => {
    const sync: CrmSync = app.services.crmSync
    await app.jobs.work('crm-sync', (job) => {
      const facts = { 'agent.client.id': job.clientId, 'agent.session.id': job.sessionId }
      return app.tracing.resume(job.trace, 'jobs.crm-sync', facts, () => sync.run(job).catch(rethrow))
    })
  },
  { name: 'workers', dependencies: ['jobs', 'services'] },
)

function rethrow(error: unknown): never {
  throw error instanceof SyncPostponed ? new DeferredJob(error.afterSeconds, error) : jobFailure(error)
}
