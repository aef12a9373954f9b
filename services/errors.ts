/**
 * The error catalogue: every failure a caller of this server may be told about, once.
 *
 * `message` is safe for anybody to read: it never carries upstream text, SQL, or another client's data.
 * `advice` is what the receptionist's language model is told, so that it can go on with the call.
 * The technical reason travels in `cause` and ends in the log only.
 */
const CATALOGUE = {
  INVALID_INPUT: {
    status: 400,
    message: 'The request is not valid.',
    advice: 'Ask the caller again and retry.',
  },
  UNAUTHORIZED: { status: 401, message: 'A valid credential is required.', advice: '' },
  RATE_LIMITED: {
    status: 429,
    message: 'Too many requests.',
    advice: 'The system is too busy for that right now. Apologise and offer to take a message.',
  },
  OVERLOADED: { status: 503, message: 'The server has too much to do right now.', advice: '' },
  HEADERS_TOO_MANY: { status: 431, message: 'The request has too many headers.', advice: '' },
  FORBIDDEN: { status: 403, message: 'The credential is that of another client or call.', advice: '' },
  ROUTE_UNKNOWN: { status: 404, message: 'There is nothing at this address.', advice: '' },
  CLIENT_UNKNOWN: {
    status: 404,
    message: 'There is no such client.',
    advice: 'This cannot be done right now. Offer to take a message.',
  },
  CLIENT_INACTIVE: {
    status: 409,
    message: 'This client is not active.',
    advice: 'This cannot be done right now. Offer to take a message.',
  },
  NUMBER_TAKEN: { status: 409, message: 'This number belongs to another client.', advice: '' },
  CONSENT_INVALID: {
    status: 400,
    message: 'This account cannot be connected.',
    advice: '',
  },
  CALL_UNKNOWN: { status: 404, message: 'There is no such call.', advice: '' },
  JOB_UNKNOWN: {
    status: 404,
    message: 'There is no such job: it may be done, or deleted.',
    advice: '',
  },
  ERASURE_UNKNOWN: { status: 404, message: 'There is no such erasure.', advice: '' },
  RECORDING_UNKNOWN: { status: 404, message: 'There is no such recording.', advice: '' },
  CALENDAR_MISSING: {
    status: 409,
    message: 'This client has no usable calendar.',
    advice: 'Appointments cannot be booked by phone. Offer to take a message instead.',
  },
  SLOT_UNAVAILABLE: {
    status: 409,
    message: 'That time is not available.',
    advice: 'That time is not available.',
  },
  APPOINTMENT_UNKNOWN: {
    status: 404,
    message: 'There is no such appointment.',
    advice: 'The caller has no such appointment.',
  },
  CALLER_UNPROVEN: {
    status: 403,
    message: 'Whose it is cannot be proven.',
    advice: 'The number is withheld, so this cannot be done by phone. Offer to take a message instead.',
  },
  SMS_REFUSED: {
    status: 409,
    message: 'The contact wants no text messages.',
    advice: 'The caller has asked for no text messages, so none was sent. Say so.',
  },
  CRM_REFUSED: {
    status: 502,
    message: 'The CRM refused the request.',
    advice: 'The system could not do that. Apologise and offer to take a message.',
  },
  CRM_UNAVAILABLE: {
    status: 503,
    message: 'The CRM is not available right now.',
    advice: 'The system is not answering right now. Apologise and offer to take a message.',
  },
  CRM_TIMEOUT: {
    status: 504,
    message: 'The CRM did not answer in time.',
    advice: 'The system is too slow right now. Apologise and offer to take a message.',
  },
  VAPI_UNAVAILABLE: { status: 502, message: 'The recording cannot be fetched right now.', advice: '' },
  DATABASE_UNAVAILABLE: {
    status: 503,
    message: 'The database is not available right now.',
    advice: 'The system is not answering right now. Apologise and offer to take a message.',
  },
} as const

export type ErrorCode = keyof typeof CATALOGUE

export interface ErrorExtras {
  cause?: unknown
  /** What is wrong, safe for the caller to read; names the field where there is one. */
  detail?: string
  /** The input field that is at fault. */
  field?: string
  /** Seconds after which a repetition makes sense; becomes the Retry-After header. */
  retryAfterSeconds?: number
  /** What the language model is told instead of the catalogue's sentence. */
  advice?: string
  /** Further members of the problem document, such as `alternatives`. */
  members?: Record<string, unknown>
}

/** A failure from the catalogue. Anything else that is thrown is a bug and rendered as a plain 500. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly status: number
  readonly advice: string
  readonly detail: string | undefined
  readonly field: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly members: Record<string, unknown> | undefined

  constructor(code: ErrorCode, extras: ErrorExtras = {}) {
    const entry = CATALOGUE[code]
    super(entry.message, extras.cause === undefined ? undefined : { cause: extras.cause })
    this.code = code
    this.status = entry.status
    this.advice = extras.advice ?? entry.advice
    this.detail = extras.detail
    this.field = extras.field
    this.retryAfterSeconds = extras.retryAfterSeconds
    this.members = extras.members
  }
}

/** An input that cannot be used; `field` is the name the sender knows it by. */
export function invalid(field: string, detail: string): AppError {
  return new AppError('INVALID_INPUT', { field, detail, advice: detail })
}
