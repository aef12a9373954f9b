import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { AuditList, AuditQuery } from '../../schemas/admin.ts'
import { Problem } from '../../schemas/problem.ts'

/** Who changed what. */
const audit: FastifyPluginAsyncTypebox = async (scope) => {
  scope.get(
    '/admin/audit',
    {
      config: { operation: 'admin.audit' },
      schema: {
        summary: 'Lists what operators changed, newest first',
        querystring: AuditQuery,
        response: { 200: AuditList, '4xx': Problem, '5xx': Problem },
      },
    },
    async ({ query: { client, cursor, limit = '50' } }) => {
      const most = Number(limit)
      const rows = await scope.admin.audit.list({ clientId: client, before: cursor, limit: most + 1 })
      const shown = rows.slice(0, most)
      const last = shown.at(-1)
      return {
        entries: shown.map(({ at, subject_id, ...entry }) => ({
          ...entry,
          at: at.toISOString(),
          client: subject_id,
        })),
        ...(rows.length > most && last && { next: last.id }),
      }
    },
  )
}

export default audit
