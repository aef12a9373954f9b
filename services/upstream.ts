import { type Dispatcher, errors } from 'undici'
import { AppError } from './errors.ts'
import { type AnswerHeaders, exchange } from './exchange.ts'

export interface UpstreamFacts {
  status?: number
  outcome: 'none' | 'unknown'
  retryAfterSeconds?: number
  body?: unknown
  cause?: unknown
}

/**
 * A request to a remote system failed.
 *
 * `outcome` says what is known of its effect. `none`: it was refused, or never left. `unknown`: it may have
 * been carried out and the answer was lost.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  /** Method and path, without ids. */
  readonly operation: string
  /** HTTP status of the answer; undefined if there was none. Below 300, the answer could not be read. */
  readonly status: number | undefined
  readonly outcome: 'none' | 'unknown'
  readonly retryAfterSeconds: number | undefined
  /** The answer's body. Never shown to anybody: it is somebody else's text. */
  readonly body: unknown

  constructor(operation: string, reason: string, facts: UpstreamFacts) {
    super(`${operation}: ${reason}`, { cause: facts.cause })
    this.operation = operation
    this.status = facts.status
    this.outcome = facts.outcome
    this.retryAfterSeconds = facts.retryAfterSeconds
    // Not enumerable: a logger that prints an error's own properties must not print a contact.
    Object.defineProperty(this, 'body', { value: facts.body, enumerable: false })
  }

  /** Whether the same request may succeed later. A refused credential may: somebody renews it. */
  get retryable(): boolean {
    const { status } = this
    return this.unanswered || (status !== undefined && [401, 403, 408, 429].includes(status))
  }

  /** Whether nothing was said about the request itself: no answer, a broken one, or one of a gateway. */
  get unanswered(): boolean {
    return this.status === undefined || this.status < 300 || this.status >= 500
  }

  /** The failure of the CRM in the words of the catalogue. */
  toAppError(): AppError {
    const extras = {
      cause: this,
      ...(this.retryAfterSeconds !== undefined && { retryAfterSeconds: this.retryAfterSeconds }),
    }
    if (this.status === undefined) {
      return new AppError(this.outcome === 'none' ? 'CRM_UNAVAILABLE' : 'CRM_TIMEOUT', extras)
    }
    return new AppError(this.status === 429 || this.status >= 500 ? 'CRM_UNAVAILABLE' : 'CRM_REFUSED', extras)
  }
}

/** Why a request was held back. */
export type Held = 'open' | 'busy' | 'limited' | 'paused' | 'cancelled'

/** How each is told: a limit as a 429 would be, a paused client as a refused credential, the rest as no answer. */
const STATUS_OF: Partial<Record<Held, number>> = { limited: 429, paused: 401 }

/** A request that was held back here: nothing has left, and sending it again at once is of no use. */
export class NotSent extends UpstreamError {
  readonly held: Held

  constructor(operation: string, held: Held, reason: string, retryAfterSeconds?: number) {
    const status = STATUS_OF[held]
    super(operation, `not sent, ${reason}`, {
      outcome: 'none',
      ...(status !== undefined && { status }),
      ...(retryAfterSeconds !== undefined && {
        retryAfterSeconds: Math.max(1, Math.ceil(retryAfterSeconds)),
      }),
    })
    this.held = held
  }
}

export interface UpstreamRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  query?: Record<string, string | number | undefined>
  headers?: Record<string, string>
  body?: Record<string, unknown>
  /** In the place of `body`: as HTML forms and OAuth send it. */
  form?: Record<string, string>
  signal: AbortSignal
}

export interface UpstreamAnswer {
  status: number
  headers: AnswerHeaders
  text: string
}

export interface SenderOptions {
  baseUrl: string
  dispatcher: Dispatcher
  /** Milliseconds for one attempt, from connecting to the last byte. */
  deadlineMs: number
}

const utf8 = new TextDecoder()

/**
 * Sends requests to one remote system, each with a deadline. Redirects are not followed.
 * Answers below 400 are returned, everything else throws UpstreamError.
 */
export function createSender({ baseUrl, dispatcher, deadlineMs }: SenderOptions) {
  const base = new URL(baseUrl)
  return async ({
    method,
    path,
    query = {},
    headers,
    body,
    form,
    signal,
  }: UpstreamRequest): Promise<UpstreamAnswer> => {
    const operation = operationOf({ method, path })
    const url = new URL(path, base)
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const asked = {
      url,
      method,
      headers: {
        accept: 'application/json',
        ...headers,
        ...(body && { 'content-type': 'application/json' }),
        ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: body ? JSON.stringify(body) : form && new URLSearchParams(form).toString(),
      signal,
      deadlineMs,
    }
    const answer: UpstreamAnswer = { status: 0, headers: {}, text: '' }
    const chunks: Uint8Array[] = []
    try {
      await exchange(dispatcher, asked, (status, given) => {
        answer.status = status
        answer.headers = given
        return (chunk) => void chunks.push(chunk)
      })
      answer.text = utf8.decode(Buffer.concat(chunks))
      if (answer.status < 400) return answer
      throw refusal(operation, answer.status, answer.headers['retry-after'], answer.text)
    } catch (error) {
      if (error instanceof UpstreamError) throw error
      throw new UpstreamError(operation, 'no answer', {
        outcome: neverLeft(error) ? 'none' : 'unknown',
        cause: error,
      })
    }
  }
}

function refusal(operation: string, status: number, retryAfter: string | string[] | undefined, text: string) {
  // Its other form, a date, is not used by any system here.
  const seconds = Number(retryAfter)
  return new UpstreamError(operation, `status ${status}`, {
    status,
    // A gateway's 5xx may hide a success.
    outcome: status >= 500 ? 'unknown' : 'none',
    ...(seconds > 0 && { retryAfterSeconds: seconds }),
    body: parseJson(text),
  })
}

/** A connection that was never made carried nothing over. */
export function neverLeft(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return (
    error instanceof errors.ConnectTimeoutError ||
    code === 'ECONNREFUSED' ||
    code === 'ENOTFOUND' ||
    code === 'EAI_AGAIN'
  )
}

/** Method and path name an operation in logs and metrics; ids in the path name a person. */
export function operationOf({ method, path }: Pick<UpstreamRequest, 'method' | 'path'>): string {
  return `${method} ${path.replace(/\/(?=[^/]*\d)[^/?]{8,}|\/[A-Za-z0-9]{15,}(?=\/|$)/g, '/:id')}`
}

/** The value of a JSON text, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
