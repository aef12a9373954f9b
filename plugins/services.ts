import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { createAssistantBuilder } from '../services/assistant/builder.ts'
import { noticeOf, questionOf } from '../services/assistant/opening.ts'
import { createReception } from '../services/assistant/reception.ts'
import { createCallers } from '../services/auth/callers.ts'
import { createDeliveries } from '../services/auth/deliveries.ts'
import { createDeliveryRepository } from '../services/auth/deliveries-repository.ts'
import { createIdentity } from '../services/auth/identity.ts'
import { createCrmSync } from '../services/calls/crm-sync.ts'
import { createIntake } from '../services/calls/intake.ts'
import { createJournal } from '../services/calls/journal.ts'
import { createKeyRepository } from '../services/calls/keys-repository.ts'
import { createRecorder } from '../services/calls/recorder.ts'
import { createRecordings } from '../services/calls/recordings.ts'
import { createCallRepository } from '../services/calls/repository.ts'
import { createStepRepository } from '../services/calls/steps-repository.ts'
import { createSyncRepository } from '../services/calls/sync-repository.ts'
import { upstreamToolsOf } from '../services/mcp/assistant-tool.ts'
import { createCallerRepository } from '../services/mcp/repository.ts'
import { createConsent } from '../services/privacy/consent.ts'
import { createConsentRepository } from '../services/privacy/consent-repository.ts'
import type { Clock } from '../services/time.ts'
import { catalogue, vapiToolsOf } from '../services/tools/catalogue.ts'
import { createToolRunner } from '../services/tools/runner.ts'
import { readToolCalls, requireMessage } from '../services/vapi/messages.ts'

declare module 'fastify' {
  interface FastifyInstance {
    services: Awaited<ReturnType<typeof createServices>>
  }
}

export interface ServicesPluginOptions {
  clock: Clock
  publicUrl: string
  credentialId: string | undefined
}

/** The composition root: each service is built here, once. */
export default fp<ServicesPluginOptions>(
  async (app, options) => {
    const services = await createServices(app, options)
    app.decorate('services', services)
    app.addHook('onClose', () => services.journal.close())
  },
  { name: 'services', dependencies: ['database', 'jobs', 'clients', 'ghl', 'vapi', 'metrics', 'tracing'] },
)

async function createServices(
  app: FastifyInstance,
  { clock, publicUrl, credentialId }: ServicesPluginOptions,
) {
  const { sql, ghl, vapi, clients, jobs, log, metrics, tracing } = app
  const calls = createCallRepository({ sql })
  const syncs = createSyncRepository({ sql })
  const journal = createJournal({ steps: createStepRepository({ sql }), clock, log })
  const whoIsMeant = createIdentity({ clients, log })
  const keys = await createKeyRepository({ sql }).secretsFor('recording-link')
  const recordings = createRecordings({ calls, vapi, publicUrl, keys })
  const toolsOf = [vapiToolsOf, upstreamToolsOf(publicUrl, credentialId)]
  const builder = createAssistantBuilder({ publicUrl, canForget: vapi.configured, credentialId, toolsOf })
  const consent = createConsent({ repository: createConsentRepository({ sql }), questionOf, clock })
  const recorder = createRecorder({ calls, clock, trace: tracing.current, wake: () => jobs.wake() })
  return Object.freeze({
    calls,
    journal,
    whoIsMeant,
    callers: createCallers({ whoIsMeant, callerOf: createCallerRepository({ sql }).callerOf, log }),
    deliveries: createDeliveries({ repository: createDeliveryRepository({ sql }), log }),
    reception: createReception({ builder, journal, clock, log }),
    intake: createIntake({ clients, whoIsMeant, calls, recorder, noticeOf, log }),
    recordings,
    crmSync: createCrmSync({ calls, syncs, clients, ghl, recordings, journal, clock }),
    messages: { read: requireMessage, toolCalls: readToolCalls },
    catalogue,
    tools: createToolRunner({ catalogue, ghl, calls, consent, sql, clock, log, onUsed: metrics.tool }),
  })
}
