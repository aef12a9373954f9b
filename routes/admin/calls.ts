import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'
import { CallExplained, CallList, CallListQuery } from '../../schemas/calls.ts'
import { Problem } from '../../schemas/problem.ts'
import type { ListedCall, StoredCall } from '../../services/calls/timeline-repository.ts'
import { jobView } from './jobs.ts'

/** What happened in calls, and why. */
const calls: FastifyPluginAsyncTypebox = async (scope) => {
  const problems = { '4xx': Problem, '5xx': Problem }

  scope.get(
    '/admin/calls',
    {
      config: { operation: 'admin.calls.list' },
      schema: {
        summary: 'Lists calls, the latest first',
        querystring: CallListQuery,
        response: { 200: CallList, ...problems },
      },
    },
    async ({ query: { client, limit = '50', ...query } }) => {
      const page = await scope.admin.calls.list({ ...query, clientId: client, limit: Number(limit) })
      return { calls: page.calls.map(view), ...(page.next && { next: page.next }) }
    },
  )

  scope.get(
    '/admin/calls/:id',
    {
      config: { operation: 'admin.calls.show' },
      schema: {
        summary: 'Explains one call: its timeline, from the assistant that answered to the note in the CRM',
        params: Type.Object({
          id: Type.String({ minLength: 1, maxLength: 200, description: 'VAPI’s id, or the session’s' }),
        }),
        response: { 200: CallExplained, ...problems },
      },
    },
    async ({ params }) => {
      const { call, timeline, jobs } = await scope.admin.calls.explain(params.id)
      const { called_number, ghl_contact_id, note_id, cost, summary, transcript, recorded } = call
      return {
        call: {
          ...view(call),
          ...{ called_number, ghl_contact_id, note_id, cost, summary, transcript, recorded },
        },
        timeline: timeline.map(({ at, ...moment }) => ({ at: at.toISOString(), ...moment })),
        jobs: jobs.map(jobView),
      }
    },
  )
}

export default calls

const view = (call: ListedCall | StoredCall) => ({
  id: call.id,
  call: call.vapi_call_id,
  client: call.client_id,
  client_name: call.client_name,
  caller: call.caller,
  started_at: call.started_at.toISOString(),
  ended_at: call.ended_at?.toISOString() ?? null,
  status: call.status,
  ended_reason: call.ended_reason,
  duration_seconds: call.duration_seconds,
  reported_at: call.reported_at?.toISOString() ?? null,
  synced_at: call.synced_at?.toISOString() ?? null,
})
