import { UpstreamError } from '../upstream.ts'

/** Work that may wait, by queue. Payloads hold ids only, and the client's first: each client has its share. */
export interface Queues {
  /** Makes the CRM agree with a voice session. `trace`: of the request that made the work, a W3C traceparent. */
  'crm-sync': { clientId: string; sessionId: string; trace?: string }
  /** Carries out an erasure wherever copies are. */
  erasure: { clientId: string; erasureId: string }
}
export type QueueName = keyof Queues

/** A job that no repetition can help: it goes to the dead letters at once. */
export class HopelessJob extends Error {
  override readonly name = 'HopelessJob'
}

/** It is known when trying again makes sense: the job waits so long, and that is not counted as an attempt. */
export class DeferredJob extends Error {
  override readonly name = 'DeferredJob'
  readonly afterSeconds: number

  constructor(afterSeconds: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : 'deferred', { cause })
    this.afterSeconds = afterSeconds
  }
}

/** What the failure of a remote system means for a job: when to come back, if that was said; never, if it cannot get better. */
export function jobFailure(error: unknown): unknown {
  if (!(error instanceof UpstreamError)) return error
  if (error.retryAfterSeconds !== undefined) return new DeferredJob(error.retryAfterSeconds, error)
  return error.retryable ? error : new HopelessJob(error.message, { cause: error })
}
