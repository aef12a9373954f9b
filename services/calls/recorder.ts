import type { Database, Runner } from '../database/pool.ts'
import type { Clock } from '../time.ts'
import type { CallMessage } from '../vapi/messages.ts'
import { REPORT_PATIENCE_SECONDS } from './crm-sync.ts'
import { CLOCK_SKEW_SECONDS, readFacts } from './facts.ts'
import type { CallIdentity, CallRepository } from './repository.ts'

/** Ids only: whoever works on it reads what is true by then. */
export interface SyncJob {
  clientId: string
  sessionId: string
}

export interface RecorderOptions {
  sql: Pick<Database, 'begin'>
  calls: CallRepository
  clock: Clock
  /** Queues the CRM's share of the work in the same transaction. */
  enqueueSync: (job: SyncJob, options: { tx: Runner; afterSeconds?: number }) => Promise<void>
  /** Told after the commit that there may be work. */
  wake: () => void
}

/** Takes in what VAPI tells about a call. When it returns, session, event and job are committed. */
export function createRecorder({ sql, calls, clock, enqueueSync, wake }: RecorderOptions) {
  return {
    async record(message: CallMessage, call: CallIdentity): Promise<void> {
      const facts = readFacts(message, clock())
      await sql.begin(async (tx) => {
        const session = await calls.record(call, message.type, facts, tx)
        const job = { clientId: session.client_id, sessionId: session.id }
        if (session.first_event || facts.reported) await enqueueSync(job, { tx })
        // In case no report ever comes. Not a moment too early: nobody would look again.
        if (facts.ended && !facts.reported)
          await enqueueSync(job, { tx, afterSeconds: REPORT_PATIENCE_SECONDS + 2 * CLOCK_SKEW_SECONDS })
      })
      wake()
    },
  }
}

export type Recorder = ReturnType<typeof createRecorder>
