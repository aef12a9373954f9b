import fp from 'fastify-plugin'
import { createReconciler, type Reconciler } from '../services/calls/reconciler.ts'
import { createReconcilerRepository } from '../services/calls/reconciler-repository.ts'
import { createRepetition } from '../services/repetition.ts'
import type { Clock } from '../services/time.ts'
import { reportOf } from '../services/vapi/report.ts'

declare module 'fastify' {
  interface FastifyInstance {
    reconciler: Reconciler
  }
}

export interface ReconcilerPluginOptions {
  clock: Clock
  /** Seconds between two looks at whether there is something to do. */
  everySeconds?: number
}

/** Has this instance look for calls whose report never came, in turn with the others. */
export default fp<ReconcilerPluginOptions>(
  async (app, { clock, everySeconds = 60 }) => {
    const { sql, vapi, log } = app
    const state = createReconcilerRepository({ sql })
    const reconciler = createReconciler({ vapi, state, intake: app.services.intake, reportOf, clock, log })
    app.decorate('reconciler', reconciler)
    if (!vapi.configured) {
      log.warn('VAPI_API_KEY is not set: nobody asks for calls whose report never came')
      return
    }

    const repetition = createRepetition({
      everySeconds,
      work: reconciler.run,
      onError: (error) => log.error({ err: error }, 'calls whose report never came could not be looked for'),
    })
    app.addHook('onReady', async () => repetition.start())
    app.addHook('onClose', () => repetition.stop())
  },
  { name: 'reconciler', dependencies: ['database', 'vapi', 'services'] },
)
