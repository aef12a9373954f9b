import { setTimeout as pause } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { createSender, NotSent, operationOf, parseJson, UpstreamError } from '../upstream.ts'
import type { Errand, Governor } from './governor.ts'

/** Versions of the GHL API by part, as its documentation has them; another value is refused or answers otherwise. */
export const VERSION = { contacts: '2021-07-28', calendars: '2021-04-15' } as const

/** One attempt; a tool has 10 s in all, and a caller is listening to silence. */
const ATTEMPT_DEADLINE_MS = 4_000

/** GHL's limit of 100 requests in 10 s passes; a caller waits for so long at most. */
const RATE_LIMIT_PATIENCE_SECONDS = 2

export interface GhlRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  query?: Record<string, string | number | undefined>
  body?: Record<string, unknown>
  version: string
  /** Doing it twice does it once, although it is not a GET: it may be sent again when the answer was lost. */
  repeatable?: boolean
}

export interface GhlOptions {
  baseUrl: string
  dispatcher: Dispatcher
  governor: Governor
  attemptDeadlineMs?: number
}

/** Whose account it is, and how long whoever asks will wait. */
export interface GhlScope extends Errand {
  readonly calendarId: string | undefined
}

export type GhlSend = (request: GhlRequest) => Promise<Record<string, unknown>>

/**
 * How requests reach GHL: `createTransport(options)(scope)` sends for one client's account.
 * @throws UpstreamError
 */
export function createTransport(options: GhlOptions): (scope: GhlScope) => GhlSend {
  const sender = createSender({ deadlineMs: options.attemptDeadlineMs ?? ATTEMPT_DEADLINE_MS, ...options })
  const { governor } = options

  async function exchange(token: string, signal: AbortSignal, request: GhlRequest) {
    const { version, repeatable: _, ...rest } = request
    const { status, text } = await sender({
      ...rest,
      signal,
      headers: { authorization: `Bearer ${token}`, version },
    })
    const value = text === '' && status < 300 ? {} : parseJson(text)
    // A redirect is followed by nobody: the token is not for whoever it points to.
    if (status < 300 && typeof value === 'object' && value !== null) return value as Record<string, unknown>
    throw new UpstreamError(request.method, status < 300 ? 'the answer is not a JSON object' : 'redirected', {
      status,
      outcome: status < 300 ? 'unknown' : 'none',
    })
  }

  const attempt = (scope: GhlScope, request: GhlRequest) =>
    governor.send('rest', scope, operationOf(request), (token) => exchange(token, scope.signal, request))

  return (scope) => async (request) => {
    try {
      return await attempt(scope, request)
    } catch (error) {
      if (!(error instanceof UpstreamError) || scope.signal.aborted) throw error
      // Held back by ourselves, and not for a moment.
      if (error instanceof NotSent || !isSafeAgain(request, error)) throw error
      const wait = error.status === 429 ? (error.retryAfterSeconds ?? 0) * 1_000 : 0
      if (wait > 0) await pause(wait, undefined, { signal: scope.signal }).catch(() => {})
      if (scope.signal.aborted) throw error
      return attempt(scope, request)
    }
  }
}

/**
 * Each request is repeated once at most, and only where that cannot do a thing twice. A write whose answer was
 * lost is not repeated here: whoever writes knows how to look first.
 */
function isSafeAgain({ method, repeatable }: GhlRequest, error: UpstreamError): boolean {
  if (error.status === 429) {
    const seconds = error.retryAfterSeconds
    return seconds !== undefined && seconds <= RATE_LIMIT_PATIENCE_SECONDS
  }
  if (!error.unanswered) return false
  return method === 'GET' || repeatable === true || error.outcome === 'none'
}
