import type { Notice } from '../privacy/consent.ts'
import type { Clock } from '../time.ts'
import type { CallMessage } from '../vapi/messages.ts'
import { REPORT_PATIENCE_SECONDS } from './crm-sync.ts'
import { CLOCK_SKEW_SECONDS, readFacts } from './facts.ts'
import type { CallRepository } from './repository.ts'
import type { CallIdentity } from './tool-events-repository.ts'

/** Ids only: whoever works on it reads what is true by then. */
export interface SyncJob {
  clientId: string
  sessionId: string
}

export interface RecorderOptions {
  calls: Pick<CallRepository, 'record'>
  clock: Clock
  /** The trace that the work belongs to, if there is one. */
  trace?: () => string | undefined
  /** Told after the commit that there may be work. */
  wake: () => void
}

/** Takes in what VAPI tells about a call. When it returns, session, event and the work they make are committed. */
export function createRecorder({ calls, clock, trace, wake }: RecorderOptions) {
  return {
    /** `notice`: what the call began with about the recording, if anything. */
    async record(message: CallMessage, call: CallIdentity, notice?: Notice): Promise<void> {
      const facts = readFacts(message, clock(), notice)
      // In case no report ever comes. Not a moment too early: nobody would look again.
      const late = facts.ended ? REPORT_PATIENCE_SECONDS + 2 * CLOCK_SKEW_SECONDS : undefined
      const due = facts.reported ? { always: 0 } : { first: 0, always: late }
      await calls.record(call, message.type, facts, { queue: 'crm-sync', due, trace: trace?.() })
      wake()
    },
  }
}

export type Recorder = ReturnType<typeof createRecorder>
