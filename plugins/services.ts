import fp from 'fastify-plugin'
import { createAssistantBuilder } from '../services/assistant/builder.ts'
import { createReception, type Reception } from '../services/assistant/reception.ts'
import { type CrmSync, createCrmSync } from '../services/calls/crm-sync.ts'
import { createIntake, type Intake } from '../services/calls/intake.ts'
import { createKeyRepository } from '../services/calls/keys-repository.ts'
import { createRecorder } from '../services/calls/recorder.ts'
import { createRecordings, type Recordings } from '../services/calls/recordings.ts'
import { type CallRepository, createCallRepository } from '../services/calls/repository.ts'
import { createSyncRepository } from '../services/calls/sync-repository.ts'
import { upstreamToolsOf } from '../services/mcp/assistant-tool.ts'
import type { Clock } from '../services/time.ts'
import { catalogue, vapiToolsOf } from '../services/tools/catalogue.ts'
import type { Tool } from '../services/tools/define.ts'
import { createToolRunner, type ToolRunner } from '../services/tools/runner.ts'
import { readToolCalls, requireMessage } from '../services/vapi/messages.ts'

interface Services {
  readonly calls: CallRepository
  readonly reception: Reception
  readonly intake: Intake
  readonly recordings: Recordings
  readonly crmSync: CrmSync
  readonly messages: { read: typeof requireMessage; toolCalls: typeof readToolCalls }
  readonly catalogue: ReadonlyMap<string, Tool>
  readonly tools: ToolRunner
}

declare module 'fastify' {
  interface FastifyInstance {
    services: Services
  }
}

export interface ServicesPluginOptions {
  clock: Clock
  publicUrl: string
  credentialId: string | undefined
}

/** The composition root: each service is built here, once. */
export default fp<ServicesPluginOptions>(
  async (app, { clock, publicUrl, credentialId }) => {
    const { sql, ghl, vapi, clients, jobs, log } = app
    const calls = createCallRepository({ sql })
    const keys = await createKeyRepository({ sql }).secretsFor('recording-link')
    const recordings = createRecordings({ calls, vapi, publicUrl, keys })
    const assistants = createAssistantBuilder({
      publicUrl,
      credentialId,
      toolsOf: [vapiToolsOf, upstreamToolsOf(publicUrl, credentialId)],
    })
    const recorder = createRecorder({
      sql,
      calls,
      clock,
      enqueueSync: (job, options) => jobs.enqueue('crm-sync', job, options),
      wake: () => jobs.wake(),
    })
    const syncs = createSyncRepository({ sql })
    app.decorate(
      'services',
      Object.freeze({
        calls,
        reception: createReception({ builder: assistants, clock, log }),
        intake: createIntake({ clients, calls, recorder, log }),
        recordings,
        crmSync: createCrmSync({ calls, syncs, clients, ghl, recordings, clock }),
        messages: { read: requireMessage, toolCalls: readToolCalls },
        catalogue,
        tools: createToolRunner({ catalogue, ghl, calls, sql, clock, log }),
      }),
    )
  },
  { name: 'services', dependencies: ['database', 'jobs', 'clients', 'ghl', 'vapi'] },
)
