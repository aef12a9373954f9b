import fp from 'fastify-plugin'
import type { CrmSync } from '../services/calls/crm-sync.ts'
import { HopelessJob } from '../services/jobs.ts'
import { UpstreamError } from '../services/upstream.ts'

/** The background half: has this instance work on the queues. */
export default fp(
  async (app) => {
    const sync: CrmSync = app.services.crmSync
    await app.jobs.work('crm-sync', async (job) => {
      try {
        await sync.run(job)
      } catch (error) {
        if (error instanceof UpstreamError && !error.retryable)
          throw new HopelessJob(error.message, { cause: error })
        throw error
      }
    })
  },
  { name: 'workers', dependencies: ['jobs', 'services'] },
)
