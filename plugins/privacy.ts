import fp from 'fastify-plugin'
import { isNoteOf } from '../services/calls/note.ts'
import { createAudit } from '../services/clients/audit-repository.ts'
import { DeferredJob, HopelessJob, jobFailure } from '../services/jobs/job.ts'
import { CopiesLeft, createCopies } from '../services/privacy/copies.ts'
import { createErasures, type Erasures } from '../services/privacy/erasures.ts'
import { createErasureRepository } from '../services/privacy/erasures-repository.ts'
import { createRetention, type Retention } from '../services/privacy/retention.ts'
import { createRetentionRepository } from '../services/privacy/retention-repository.ts'
import { createRowsRepository } from '../services/privacy/rows-repository.ts'
import { createRepetition } from '../services/repetition.ts'
import type { Clock } from '../services/time.ts'

declare module 'fastify' {
  interface FastifyInstance {
    privacy: { readonly erasures: Erasures; readonly retention: Retention }
  }
}

export interface PrivacyPluginOptions {
  clock: Clock
  /** Seconds between two looks at whether retention is due. */
  everySeconds?: number
}

/** What is owed to callers: has this instance forget what is old, in turn with the others, and what it is told to. */
export default fp<PrivacyPluginOptions>(
  async (app, { clock, everySeconds = 300 }) => {
    const { sql, jobs, clients, ghl, vapi, log } = app
    const erasures = createErasures({
      sql,
      audit: createAudit({ sql }),
      queue: (data, tx) => jobs.add('erasure', data, 0, tx),
    })
    const copies = createCopies({
      ...{ clients, ghl, vapi, isNoteOf, jobs: jobs.records },
      erasures: createErasureRepository({ sql }),
      rows: createRowsRepository({ sql }),
      eraseRest: erasures.eraseRest,
    })
    const retention = createRetention({ repository: createRetentionRepository({ sql }), clock, log })
    app.decorate('privacy', Object.freeze({ erasures, retention }))
    await jobs.work('erasure', (job, signal) => copies.run(job, signal).catch(rethrow))

    const repetition = createRepetition({
      everySeconds,
      work: retention.run,
      onError: (error) => log.error({ err: error }, 'what is old could not be removed'),
    })
    app.addHook('onReady', async () => repetition.start())
    app.addHook('onClose', () => repetition.stop())
  },
  { name: 'privacy', dependencies: ['database', 'jobs', 'clients', 'ghl', 'vapi', 'services'] },
)

/** What copies that are left mean for the job: when to come back; never, if only an operator can help. */
function rethrow(error: unknown): never {
  if (error instanceof CopiesLeft) {
    if (error.hopeless) throw new HopelessJob(error.message, { cause: error })
    throw new DeferredJob(error.afterSeconds ?? 1, error)
  }
  throw jobFailure(error)
}
