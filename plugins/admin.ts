import fp from 'fastify-plugin'
import { createAssistantBuilder } from '../services/assistant/builder.ts'
import { systemPrompt } from '../services/assistant/prompt.ts'
import { type Completeness, createCompleteness, type SyncJobState } from '../services/calls/completeness.ts'
import { createCompletenessRepository } from '../services/calls/completeness-repository.ts'
import { createTimeline, type Timeline } from '../services/calls/timeline.ts'
import { createTimelineRepository } from '../services/calls/timeline-repository.ts'
import { type ClientAdmin, createClientAdmin } from '../services/clients/admin.ts'
import { type Audit, createAudit } from '../services/clients/audit-repository.ts'
import { type Check, createCheck } from '../services/clients/check.ts'
import { toClient } from '../services/clients/client.ts'
import { createClientRepository } from '../services/clients/repository.ts'
import { createJobAdmin, type JobAdmin } from '../services/jobs/admin.ts'
import type { JobRow } from '../services/jobs/jobs-repository.ts'
import type { Erasures } from '../services/privacy/erasures.ts'
import type { Clock } from '../services/time.ts'
import { createNumberInspection } from '../services/vapi/inspection.ts'
import { createNumbers } from '../services/vapi/numbers.ts'

/** What operators may do. */
interface Admin {
  readonly clients: ClientAdmin
  readonly audit: Audit
  readonly check: Check['run']
  readonly completeness: Completeness['of']
  readonly jobs: JobAdmin
  readonly calls: Timeline
  readonly erasures: Erasures
}

declare module 'fastify' {
  interface FastifyInstance {
    admin: Admin
  }
}

export interface AdminPluginOptions {
  clock: Clock
  publicUrl: string
  credentialId: string | undefined
}

/** The composition root of what is done under /admin. */
export default fp<AdminPluginOptions>(
  async (app, { clock, publicUrl, credentialId }) => {
    const { sql, secrets, ghl, vapi, log } = app
    const audit = createAudit({ sql })
    const clients = createClientAdmin({ sql, secrets, audit, pauses: ghl.pauses })
    const repository = createClientRepository({ sql, secrets })
    const builder = createAssistantBuilder({
      publicUrl,
      canForget: vapi.configured,
      credentialId,
      toolsOf: [],
    })
    const { server } = builder
    const numbers = createNumbers({ vapi, server, audit: audit.write })
    const check = createCheck({
      load: async (id) => {
        const row = await repository.byId(id)
        return row && toClient(row, secrets)
      },
      ghl,
      inspectNumber: createNumberInspection({ vapi, numbers, server }),
      promptOf: (client) =>
        systemPrompt(client, builder.wordsOf(client, { caller: client.number, now: clock() })),
      clock,
      log,
    })
    const completeness = createCompleteness({
      repository: createCompletenessRepository({ sql }),
      reconciled: vapi.configured,
      stateOf: async (sessionIds) => (await app.jobs.records.ofSessions(sessionIds)).map(syncJobState),
      clock,
      log,
    })
    const jobs = createJobAdmin({ boss: app.jobs, jobs: app.jobs.records, audit })
    const calls = createTimeline({
      repository: createTimelineRepository({ sql }),
      jobsOf: app.jobs.records.ofSessions,
    })
    app.decorate(
      'admin',
      Object.freeze({
        clients,
        audit,
        check: check.run,
        completeness: completeness.of,
        jobs,
        calls,
        erasures: app.privacy.erasures,
      }),
    )
  },
  { name: 'admin', dependencies: ['database', 'jobs', 'secrets', 'auth', 'ghl', 'vapi', 'privacy'] },
)

const syncJobState = ({ data, state, attempts, next_at, cause }: JobRow): SyncJobState => ({
  sessionId: data.sessionId ?? '',
  state: state === 'active' ? 'queued' : state,
  attempts,
  ...(next_at && { nextAt: next_at.toTemporalInstant() }),
  ...(cause && { cause }),
})
