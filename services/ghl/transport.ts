import type { Dispatcher } from 'undici'
import { createSender, parseJson, UpstreamError } from '../upstream.ts'

/** Versions of the GHL API by part, as its documentation has them; another value is refused or answers otherwise. */
export const VERSION = { contacts: '2021-07-28', calendars: '2021-04-15' } as const

/** One attempt; a tool has 10 s in all, and a caller is listening to silence. */
const ATTEMPT_DEADLINE_MS = 4_000

export interface GhlRequest {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  query?: Record<string, string | number | undefined>
  body?: Record<string, unknown>
  version: string
}

export interface GhlOptions {
  baseUrl: string
  dispatcher: Dispatcher
  attemptDeadlineMs?: number
}

/** Whose account it is, and how long whoever asks will wait. */
export interface GhlScope {
  token: string
  locationId: string
  calendarId: string | undefined
  signal: AbortSignal
}

export type GhlSend = (request: GhlRequest) => Promise<Record<string, unknown>>

/**
 * How requests reach GHL: `createTransport(options)(scope)` sends for one client's account.
 * @throws UpstreamError
 */
export function createTransport(options: GhlOptions): (scope: GhlScope) => GhlSend {
  const sender = createSender({ deadlineMs: options.attemptDeadlineMs ?? ATTEMPT_DEADLINE_MS, ...options })

  async function attempt({ token, signal }: GhlScope, { version, ...request }: GhlRequest) {
    const { text } = await sender({
      ...request,
      signal,
      headers: { authorization: `Bearer ${token}`, version },
    })
    const value = text === '' ? {} : parseJson(text)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    throw new UpstreamError(request.method, 'the answer is not a JSON object', { outcome: 'unknown' })
  }

  // Reading is repeated once; writing never is, here: whoever writes knows how to look first.
  return (scope) => async (request) => {
    try {
      return await attempt(scope, request)
    } catch (error) {
      const again = error instanceof UpstreamError && (error.status === undefined || error.status >= 500)
      if (request.method !== 'GET' || !again || scope.signal.aborted) throw error
      return attempt(scope, request)
    }
  }
}
