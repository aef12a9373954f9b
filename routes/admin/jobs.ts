import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { JobList, JobListQuery, JobView, Retried, RetryBody } from '../../schemas/jobs.ts'
import { Problem } from '../../schemas/problem.ts'
import type { JobRow } from '../../services/jobs/jobs-repository.ts'

/** Work that waits, that failed, and that was given up. */
const jobs: FastifyPluginAsyncTypebox = async (scope) => {
  const problems = { '4xx': Problem, '5xx': Problem }

  scope.get(
    '/admin/jobs',
    {
      config: { operation: 'admin.jobs.list' },
      schema: {
        summary: 'Lists jobs that are not done, the newest first',
        querystring: JobListQuery,
        response: { 200: JobList, ...problems },
      },
    },
    async ({ query: { client, limit = '50', ...query } }) => {
      const page = await scope.admin.jobs.list({ ...query, clientId: client, limit: Number(limit) })
      return { jobs: page.jobs.map(jobView), ...(page.next && { next: page.next }) }
    },
  )

  scope.get(
    '/admin/jobs/:id',
    {
      config: { operation: 'admin.jobs.show' },
      schema: {
        summary: 'Shows one job',
        params: Type.Object({ id: Type.String({ format: 'uuid' }) }),
        response: { 200: JobView, ...problems },
      },
    },
    async ({ params }) => jobView(await scope.admin.jobs.one(params.id)),
  )

  scope.post(
    '/admin/jobs/retry',
    {
      config: { operation: 'admin.jobs.retry' },
      schema: {
        summary: 'Brings dead letters back into their queues: all, or those that are named',
        body: RetryBody,
        response: { 200: Retried, ...problems },
      },
    },
    async ({ body: { id, queue, client }, operator }) => {
      const moved = await scope.admin.jobs.retry({ id, queue, clientId: client }, operator)
      scope.jobs.wake()
      return { moved }
    },
  )
}

export default jobs

export const jobView = ({ data, created_at, created: _, next_at, ...row }: JobRow) => ({
  ...row,
  client: data.clientId,
  ...(data.sessionId && { session: data.sessionId }),
  ...(data.erasureId && { erasure: data.erasureId }),
  created_at: created_at.toISOString(),
  next_at: next_at?.toISOString() ?? null,
})
