import fp from 'fastify-plugin'
import { type AssistantBuilder, createAssistantBuilder } from '../services/assistant/builder.ts'
import { createReception, type Reception } from '../services/assistant/reception.ts'
import { createCrmSync } from '../services/calls/crm-sync.ts'
import { createKeyRepository } from '../services/calls/keys-repository.ts'
import { createRecorder, type Recorder } from '../services/calls/recorder.ts'
import { createRecordings, type Recordings } from '../services/calls/recordings.ts'
import { type CallRepository, createCallRepository } from '../services/calls/repository.ts'
import { createSyncRepository } from '../services/calls/sync-repository.ts'
import { HopelessJob } from '../services/jobs.ts'
import type { Clock } from '../services/time.ts'
import { catalogue, vapiToolsOf } from '../services/tools/catalogue.ts'
import type { Tool } from '../services/tools/define.ts'
import { createToolRunner, type ToolRunner } from '../services/tools/runner.ts'
import { UpstreamError } from '../services/upstream.ts'

interface Services {
  readonly calls: CallRepository
  readonly assistants: AssistantBuilder
  readonly reception: Reception
  readonly recorder: Recorder
  readonly recordings: Recordings
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
    const assistants = createAssistantBuilder({ publicUrl, credentialId, toolsOf: vapiToolsOf })
    const recorder = createRecorder({
      sql,
      calls,
      clock,
      enqueueSync: (job, options) => jobs.enqueue('crm-sync', job, options),
      wake: () => jobs.wake(),
    })
    app.decorate(
      'services',
      Object.freeze({
        calls,
        assistants,
        reception: createReception({ builder: assistants, clock, log }),
        recorder,
        recordings,
        catalogue,
        tools: createToolRunner({ catalogue, ghl, calls, clock, log }),
      }),
    )

    const crmSync = createCrmSync({
      calls,
      syncs: createSyncRepository({ sql }),
      clients,
      ghl,
      recordings,
      clock,
    })
    await jobs.work('crm-sync', (job) =>
      crmSync.run(job).catch((error) => {
        throw error instanceof UpstreamError && !error.retryable
          ? new HopelessJob(error.message, { cause: error })
          : error
      }),
    )
  },
  { name: 'services', dependencies: ['database', 'jobs', 'clients', 'ghl', 'vapi'] },
)
