import { AppError } from '../errors.ts'
import { cutText, singleLine } from '../text.ts'
import type { Tool } from './define.ts'

/** A spoken answer longer than this is none; VAPI warns about large ones. */
const RESULT_MAX = 2_000

/** What came of a tool call. Survives JSON, since another instance may give the same answer. */
export interface Answer {
  outcome: { result: string } | { error: string }
  /** For the call's timeline; without it nothing is kept there. */
  payload?: Record<string, unknown>
  contactId?: string | undefined
  /** Whether asking again would come to the same. */
  final: boolean
}

/** Text as VAPI takes it: on one line, not too long, never empty. */
export const spoken = (text: string) => cutText(singleLine(text), RESULT_MAX) || 'Done.'

/** What a language model is told of a failure; of a bug, nothing but that there was one. */
export function adviceOf(error: unknown): string {
  if (error instanceof AppError) return error.advice || error.message
  return 'Something went wrong. Apologise and offer to take a message.'
}

/** Rejects when nobody waits any more, with the advice that the tool has for that. */
export function expiry(signal: AbortSignal, tool: Tool): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  const expire = () => reject(lateError(tool, signal.reason))
  if (signal.aborted) expire()
  else signal.addEventListener('abort', expire, { once: true })
  return promise
}

/** The answer to a repetition whose original has not come to an end. It is not kept: the original's will be. */
export function late(tool: Tool): Answer {
  return { outcome: { error: spoken(lateError(tool).advice) }, final: false }
}

function lateError({ adviceWhenLate }: Tool, cause?: unknown): AppError {
  return new AppError('CRM_TIMEOUT', {
    cause,
    ...(adviceWhenLate !== undefined && { advice: adviceWhenLate }),
  })
}
