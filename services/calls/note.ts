import { singleLine } from '../text.ts'
import { sayDate, sayMoment, sayTime, toInstant } from '../time.ts'
import type { Deeds } from './deeds.ts'
import type { Session } from './repository.ts'

export interface NoteFacts {
  session: Session
  deeds: Deeds
  /** Where the recording opens; `expires` marks VAPI's own address, which does not last. */
  recording: { url: string; expires: boolean } | undefined
  /** IANA zone of the business. */
  zone: string
}

export const NOTE_TITLE = 'AI receptionist: phone call'

const mark = (callId: string) => `Call id: ${callId}`

/** Whether a note is the one about this call; asked when it is not known whether it was written. */
export const isNoteOf = (callId: string, body: string) =>
  new RegExp(`${RegExp.escape(mark(callId))}(?![\\w-])`).test(body)

/** The note a human would leave on the contact after this call. */
export function writeNote({ session, deeds, recording, zone }: NoteFacts): string {
  const reason = session.context.structuredData as { reason?: unknown } | undefined
  return [
    `${sayDate(session.started_at, zone)}, ${sayTime(session.started_at, zone)}`,
    session.caller && `Caller: ${session.caller}`,
    `Outcome: ${outcome(session, deeds)}`,
    `Duration: ${duration(session)}`,
    typeof reason?.reason === 'string' && reason.reason && `Reason: ${reason.reason}`,
    session.summary && `Summary: ${session.summary}`,
    ...deeds.appointments.map(({ fate, title, time }) => `${FATES[fate]}: ${title}, ${when(time, zone)}`),
    ...deeds.messages.map((message) => `Message: ${singleLine(message)}`),
    session.withheld && 'The caller did not agree to a recording: nothing of what was said is kept.',
    recording && `Recording: ${recording.url}${recording.expires ? ' (this link expires)' : ''}`,
    mark(session.vapi_call_id),
  ]
    .filter(Boolean)
    .join('\n')
}

/** VAPI's ended reasons in words a business reads; they are many, so most are known by how they look. */
const ENDINGS: readonly (readonly [RegExp, string])[] = [
  [/^customer-ended-call/, 'The caller hung up'],
  [/^assistant-(ended-call|said-end-call-phrase)/, 'The receptionist ended the call'],
  [/forwarded/, 'The call was transferred'],
  [/^silence-timed-out/, 'Ended after a silence'],
  [/^exceeded-max-duration/, 'Ended at the longest duration allowed'],
  [/^voicemail/, 'Reached a voicemail'],
  [/^customer-(did-not-answer|busy)/, 'The caller could not be reached'],
  [/error|fail|fault|invalid|not-found|no-assistant/, 'The call failed'],
]

const FATES = { booked: 'Booked', moved: 'Moved', cancelled: 'Cancelled' } as const

function outcome(session: Session, { appointments, messages }: Deeds): string {
  const reason = session.ended_reason ?? ''
  const ending = ENDINGS.find(([pattern]) => pattern.test(reason))?.[1]
  const told = ending
    ? ending === 'The call failed'
      ? `${ending} (${reason})`
      : ending
    : reason || 'The call ended'
  const fates = new Set(appointments.map(({ fate }) => `Appointment ${fate}.`))
  return [...fates, messages.length > 0 && 'Message taken.', told].filter(Boolean).join(' ')
}

/** The CRM's own text where it is not a time we can read: a note with an odd line is better than none. */
function when(time: string, zone: string): string {
  const at = toInstant(time)
  return at ? sayMoment(at, zone) : time
}

function duration({ duration_seconds, started_at, ended_at }: Session): string {
  const seconds =
    duration_seconds ?? (ended_at ? Math.max(0, Math.round(started_at.until(ended_at).total('seconds'))) : 0)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
